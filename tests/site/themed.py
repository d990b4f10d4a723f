"""The demo site's settings with a theme of the admin, THEME in the environment."""

import os

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [os.environ["THEME"], *INSTALLED_APPS]
# Unfold's own scripts need eval and inline styles, which the demo's policy forbids.
MIDDLEWARE = [name for name in MIDDLEWARE if "ContentSecurityPolicy" not in name]
