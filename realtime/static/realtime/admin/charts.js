// Small charts of the nodes' last minutes, drawn as SVG.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 48;
const TOP = 1;
const BASE = HEIGHT - 1;
const SECONDS = 300;
// A longer silence is a gap in the line. Without a connection readings come every ten seconds.
const GAP = 15;

const number = new Intl.NumberFormat(document.documentElement.lang || undefined, {
  maximumFractionDigits: 1,
});

function plain(value) {
  return number.format(value);
}

function megabytes(bytes, texts) {
  return texts.megabytes.replace("%(count)s", number.format(bytes / 2 ** 20)); // as filesizeformat has it
}

// `least` is the end of an axis on which there is nothing to see, and `unit` what its ends are round in.
const CHARTS = [
  { name: "sockets", text: "sockets", write: plain, unit: 1, least: 10 },
  { name: "events_in_rate", text: "eventsIn", write: plain, unit: 1, least: 1 },
  { name: "events_out_rate", text: "eventsOut", write: plain, unit: 1, least: 1 },
  { name: "memory", text: "memory", write: megabytes, unit: 2 ** 20, least: 10 },
];

/** The end of an axis for values up to `most`: 1, 2 or 5 with noughts. */
function roundEnd(most, unit, least) {
  const wanted = Math.max(most / unit, least);
  const ten = 10 ** Math.floor(Math.log10(wanted));
  return unit * ten * [1, 2, 5, 10].find((step) => step * ten >= wanted);
}

export class Charts {
  constructor(region, texts) {
    this.texts = texts;
    this.readings = [];
    this.rows = new Map();
    this.section = element("section", "realtime-charts");
    this.section.append(element("h2", "", texts.charts));
    this.section.hidden = true;
    region.after(this.section);
  }

  /** Readings are {at: seconds, nodes: [{id, host, pid, stats}]}, the oldest first. */
  add(readings) {
    const last = this.readings.at(-1)?.at ?? 0;
    this.readings.push(...readings.filter((reading) => reading.at > last));
    const now = this.readings.at(-1)?.at ?? 0;
    this.readings = this.readings.filter((reading) => reading.at > now - SECONDS);
    this.draw(now);
  }

  /** A reading of what the table of nodes says now. */
  addTable(region) {
    const nodes = [...region.querySelectorAll("tr[data-pid]")].map(({ dataset }) => ({
      id: dataset.key,
      host: dataset.host,
      pid: dataset.pid,
      stats: Object.fromEntries(CHARTS.map(({ name }) => [name, Number(dataset[name])])),
    }));
    this.add([{ at: Date.now() / 1000, nodes }]);
  }

  draw(now) {
    const nodes = new Map();
    for (const reading of this.readings) {
      for (const node of reading.nodes) nodes.set(node.id, node);
    }
    for (const [id, row] of this.rows) {
      if (!nodes.has(id)) {
        row.element.remove();
        this.rows.delete(id);
      }
    }
    for (const node of nodes.values()) this.row(node).draw(this.readings, now);
    this.section.hidden = this.rows.size === 0;
  }

  row(node) {
    let row = this.rows.get(node.id);
    if (row === undefined) {
      row = new Row(node, this.texts);
      this.rows.set(node.id, row);
      this.section.append(row.element);
    }
    return row;
  }
}

class Row {
  constructor(node, texts) {
    this.id = node.id;
    this.element = element("div", "realtime-charts-node");
    this.element.dataset.node = node.id;
    this.element.append(element("h3", "", `${node.host}, ${texts.process} ${node.pid}`));
    this.charts = CHARTS.map((chart) => new Chart(chart, texts));
    this.element.append(...this.charts.map((chart) => chart.element));
  }

  draw(readings, now) {
    const points = [];
    for (const reading of readings) {
      const node = reading.nodes.find((one) => one.id === this.id);
      if (node !== undefined) points.push({ at: reading.at, stats: node.stats });
    }
    for (const chart of this.charts) chart.draw(points, now);
  }
}

class Chart {
  constructor({ name, text, write, unit, least }, texts) {
    this.name = name;
    this.endFor = (most) => roundEnd(most, unit, least);
    this.label = texts[text];
    this.texts = texts;
    this.write = (value) => write(value, texts);
    this.value = element("strong");
    this.most = element("small");
    this.line = shape("path", "realtime-chart-line");
    this.area = shape("path", "realtime-chart-area");
    const base = shape("path", "realtime-chart-base");
    base.setAttribute("d", `M0 ${TOP}H${WIDTH}M0 ${(TOP + BASE) / 2}H${WIDTH}M0 ${BASE}H${WIDTH}`);
    this.svg = shape("svg", "");
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("role", "img");
    this.svg.append(this.area, base, this.line);
    const caption = element("figcaption", "", `${this.label} `);
    caption.append(this.value, this.most);
    this.element = element("figure", "realtime-chart");
    this.element.dataset.chart = name;
    // The axes are text beside the drawing, which is stretched. What they say, its label says too.
    this.end = element("span");
    this.vertical = element("div", "realtime-chart-vertical");
    this.vertical.append(this.end, element("span", "", this.write(0)));
    const horizontal = element("div", "realtime-chart-horizontal");
    horizontal.append(element("span", "", texts.fiveMinutesAgo), element("span", "", texts.now));
    for (const axis of [this.vertical, horizontal]) axis.setAttribute("aria-hidden", "true");
    const plot = element("div", "realtime-chart-plot");
    plot.append(this.vertical, this.svg, horizontal);
    this.element.append(caption, plot);
  }

  draw(points, now) {
    const values = points.map((point) => point.stats[this.name]);
    const most = Math.max(0, ...values);
    const current = this.write(values.at(-1) ?? 0);
    this.value.textContent = current;
    this.most.textContent = ` ${this.texts.peak} ${this.write(most)}`;
    this.svg.setAttribute("aria-label", `${this.label} ${current}${this.most.textContent}`);
    const end = this.endFor(most);
    this.end.textContent = this.write(end);
    const found = runs(points, values, end, now);
    this.line.setAttribute("d", lines(found));
    this.area.setAttribute("d", areas(found));
  }
}

// Runs of points without a gap between them, as [x, y] in the drawing.
function runs(points, values, end, now) {
  const found = [];
  let last = -Infinity;
  points.forEach((point, index) => {
    const x = WIDTH * (1 - (now - point.at) / SECONDS);
    const y = BASE - (BASE - TOP) * (values[index] / end);
    if (point.at - last > GAP) found.push([]);
    found.at(-1).push([x.toFixed(1), y.toFixed(1)]);
    last = point.at;
  });
  return found;
}

// A point without a neighbour is a line of no length: with round ends it can be seen.
function lines(found) {
  return found.map((run) => `M${run.map((point) => point.join(" ")).join("L")}h0`).join("");
}

function areas(found) {
  return found
    .map((run) => `M${run[0][0]} ${BASE}L${run.map((point) => point.join(" ")).join("L")}V${BASE}Z`)
    .join("");
}

function shape(name, className) {
  const made = document.createElementNS(SVG, name);
  if (className) made.setAttribute("class", className);
  return made;
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
