// Small charts of the nodes' last minutes, drawn as SVG.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 48;
const TOP = 8;
const BASE = HEIGHT - 1;
const SECONDS = 300;
// A longer silence is a gap in the line. Without a connection readings come every ten seconds.
const GAP = 15;

const number = new Intl.NumberFormat(document.documentElement.lang || undefined, {
  maximumFractionDigits: 1,
});

function megabytes(bytes) {
  return `${number.format(bytes / 2 ** 20)} MB`; // as Django's filesizeformat has it
}

const CHARTS = [
  { name: "sockets", text: "sockets", write: (value) => number.format(value) },
  { name: "events_in_rate", text: "eventsIn", write: (value) => number.format(value) },
  { name: "events_out_rate", text: "eventsOut", write: (value) => number.format(value) },
  { name: "memory", text: "memory", write: megabytes },
];

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
  constructor({ name, text, write }, texts) {
    this.name = name;
    this.label = texts[text];
    this.texts = texts;
    this.write = write;
    this.value = element("strong");
    this.most = element("small");
    this.line = shape("path", "realtime-chart-line");
    this.area = shape("path", "realtime-chart-area");
    const base = shape("path", "realtime-chart-base");
    base.setAttribute("d", `M0 ${BASE}H${WIDTH}`);
    this.svg = shape("svg", "");
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("role", "img");
    this.svg.append(this.area, base, this.line);
    const caption = element("figcaption", "", `${this.label} `);
    caption.append(this.value, this.most);
    this.element = element("figure", "realtime-chart");
    this.element.dataset.chart = name;
    this.element.append(caption, this.svg);
  }

  draw(points, now) {
    const values = points.map((point) => point.stats[this.name]);
    const most = Math.max(0, ...values);
    const current = this.write(values.at(-1) ?? 0);
    this.value.textContent = current;
    this.most.textContent = ` ${this.texts.atMost} ${this.write(most)}`;
    this.svg.setAttribute("aria-label", `${this.label} ${current}${this.most.textContent}`);
    const found = runs(points, values, most, now);
    this.line.setAttribute("d", lines(found));
    this.area.setAttribute("d", areas(found));
  }
}

// Runs of points without a gap between them, as [x, y] in the drawing.
function runs(points, values, most, now) {
  const found = [];
  let last = -Infinity;
  points.forEach((point, index) => {
    const x = WIDTH * (1 - (now - point.at) / SECONDS);
    const y = BASE - (BASE - TOP) * (most > 0 ? values[index] / most : 0);
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
