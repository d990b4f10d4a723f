"""Frames and packets, as bytes and text: pure, awaits nothing, knows no Django."""
