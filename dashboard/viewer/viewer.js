// One case: pictures, every explainer's set at n, and curves. Everything that depends on n or zoom is drawn here, from one
// entry map per explainer, without the server. Appended to pixels.js and figure.js.

function el(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// What keeps the keys that are pressed in it.
const TYPED = "input, textarea, select, [contenteditable=true], [role=combobox], [role=listbox], [role=menu], [role=slider], [data-testid=stDataFrame]";

const ranked = (rank) => (rank == null ? "" : `, rank ${Number.isInteger(rank) ? rank : rank.toFixed(1)}`);

class Viewer {
  constructor(parent) {
    this.root = el("div", { className: "viewer" });
    parent.append(this.root);
    this.zoom = { z: 1, x: 0, y: 0 };
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
  }

  destroy() {
    document.removeEventListener("keydown", this.onKey);
    this.root.remove();
  }

  async show(bytes) {
    const { header, blobs } = unpack(bytes);
    if (header.etag === this.etag) return;
    this.etag = header.etag;
    const [photo, adversarial] = await Promise.all(["photo", "adversarial"].map((name) => pixels(blobs[name], header.size)));
    if (header.etag !== this.etag) return;
    Object.assign(this, { header, blobs, photo, adversarial, n: header.n ?? header.best, atBest: header.n == null, mode: header.panels });
    this.build();
    this.paint();
  }

  build() {
    const { header, blobs, photo, adversarial } = this;
    const { hit, miss, alarm } = header.colours;
    const shades = mixed(photo, header.colours);
    this.legend = [["hit", hit], ["miss", miss], ["false alarm", alarm]];
    this.panels = [
      this.panel(0, () => header.captions.photo, (image) => image.data.set(photo)),
      this.panel(0, () => header.captions.adversarial, (image) => image.data.set(adversarial)),
      this.panel(0, () => header.captions.difference, (image) => drawDifference(image, photo, adversarial, header.gain)),
      this.panel(0, () => header.captions.region, (image) => drawRegion(image, shades, blobs.region, photo, header.size)),
      ...header.explainers.map((e, i) =>
        this.panel(1, () => this.caption(e), (image) => this.mode === "restored"
          ? drawRestored(image, photo, adversarial, blobs[`entry${i}`], this.n)
          : drawSet(image, shades, blobs.region, blobs[`entry${i}`], this.n), e)),
    ];
    this.charts = [curves(header, "jaccard"), curves(header, "hamming"), ...header.explainers.filter((e) => e.weights).map(weights)];
    const row = (index) => {
      const frames = this.panels.filter((p) => p.row === index).map((p) => p.figure);
      const node = el("div", { className: "row" }, ...frames);
      node.style.setProperty("--columns", Math.min(6, Math.max(4, frames.length)));
      return node;
    };
    const charts = el("div", { className: "row" }, ...this.charts.map((c) => this.clickable(c)));
    charts.style.setProperty("--columns", this.charts.length);
    this.root.replaceChildren(this.bar(), row(0), row(1), charts, this.help());
    this.move();
  }

  bar() {
    this.slider = el("input", { type: "range", min: 1, max: SIZES, step: 1, value: this.n, ariaLabel: "Explanation size n" });
    this.output = el("output");
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.slider.addEventListener("pointerup", () => this.slider.blur()); // so that J and K reach the page after a drag
    const legend = el("div", { className: "legend" }, ...this.legend.map(([text, colour]) => {
      const item = el("span", { textContent: text });
      item.style.setProperty("--swatch", colour);
      return item;
    }));
    const tool = (text, title, act) => el("button", { type: "button", textContent: text, title, ariaLabel: title, onclick: act });
    const drawn = () => figure(this.panels, this.charts, `${this.header.title}, n = ${this.n}`, this.legend);
    const file = (suffix) => `${this.header.name}-n${String(this.n).padStart(2, "0")}.${suffix}`;
    return el("div", { className: "bar" },
      el("label", { className: "size", title: this.header.help }, "Explanation size", this.slider, this.output), legend,
      el("div", { className: "tools" },
        this.bestTool = tool("Best n", "Back to the n at which the chosen method scores best (B)", () => this.toBest()),
        this.modeTool = tool("Restored", `Show the attacked image with each explanation as in the photo (S); what the network says of that is known at n = ${this.header.checked.join(", ")}`, () => this.turn())),
      el("div", { className: "tools" },
        tool("−", "Zoom out", () => this.scale(1 / 1.5)), tool("+", "Zoom in", () => this.scale(1.5)), tool("1:1", "Whole image", () => this.scale(0))),
      el("div", { className: "tools" },
        tool("PNG", "Download this figure as PNG", () => savePng(drawn(), file("png"))),
        tool("SVG", "Download this figure as SVG", () => save(new Blob([drawn().text], { type: "image/svg+xml" }), file("svg")))));
  }

  help() {
    const keys = [["←", "→", "explanation size"], ["B", "best n"], ["S", "restored images"], ["P", "pin"], ["K", "J", "previous and next case"], ["+", "−", "0", "zoom"]];
    const parts = keys.flatMap((group) => [...group.slice(0, -1).flatMap((k) => [el("kbd", { textContent: k }), " "]), `${group.at(-1)} · `]);
    return el("p", { className: "keys" }, "Keys: ", ...parts, "double-click to zoom in, drag to move; all images keep in step");
  }

  panel(row, lines, draw, explainer) {
    const { size } = this.header;
    const canvas = el("canvas", { width: size, height: size, role: "img", ariaLabel: lines()[0] });
    const frame = el("div", { className: "frame" }, canvas);
    const caption = el("figcaption");
    const context = canvas.getContext("2d");
    const image = context.createImageData(size, size);
    this.handle(frame, canvas, explainer);
    let done = false;
    const paint = () => {
      if (explainer || !done) {
        draw(image);
        context.putImageData(image, 0, 0);
        const [head, ...rest] = lines();
        caption.replaceChildren(el("b", { textContent: head }), ...rest.map((textContent) => el("small", { textContent })));
      }
      done = true;
    };
    const figure = el("figure", { className: explainer ? "explainer" : "" }, frame, caption);
    if (explainer) figure.style.setProperty("--mark", explainer.colour);
    return { row, canvas, lines, paint, figure, colour: explainer?.colour };
  }

  caption(e) {
    const i = this.n - 1;
    if (!e.jaccard) return [e.label, "not explained: see Run"];
    const unreadable = e.readable ? [] : ["its picture cannot be read: see Run"];
    const place = this.header.checked.indexOf(this.n);
    const undoing = !e.restored ? []
      : place < 0 ? []
      : [`restored: target ${(100 * e.restored[place]).toFixed(1)} %, ${e.undone[place] ? "attack undone" : "not undone"}`];
    return [
      e.label,
      ...unreadable,
      `Jaccard ${e.jaccard[i].toFixed(3)}${ranked(e.rank_jaccard?.[i])}`,
      `Hamming ${e.hamming[i].toFixed(3)}${ranked(e.rank_hamming?.[i])}`,
      `${e.pixels[i].toLocaleString("en")} pixels, best n = ${e.best_n}`,
      ...undoing,
      ...e.controls,
    ];
  }

  clickable(chart) {
    const jump = (event) => {
      const box = chart.root.getBoundingClientRect();
      this.go(chart.sizeAt((event.clientX - box.left) / box.width));
    };
    chart.root.addEventListener("pointerdown", jump);
    chart.root.addEventListener("pointermove", (event) => event.buttons & 1 && jump(event));
    return el("div", { className: "chart", title: chart.help }, chart.root);
  }

  handle(frame, canvas, explainer) {
    const place = (event) => {
      const box = frame.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    frame.addEventListener("dblclick", (event) => this.scale(2, ...place(event)));
    frame.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.scale(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...place(event));
    }, { passive: false });
    frame.addEventListener("pointerdown", (event) => frame.setPointerCapture(event.pointerId));
    frame.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) {
        this.zoom.x += event.movementX / frame.clientWidth;
        this.zoom.y += event.movementY / frame.clientHeight;
        this.move();
      } else if (explainer?.weights) canvas.title = this.superpixel(explainer, ...place(event));
    });
  }

  superpixel(explainer, x, y) {
    const { size } = this.header;
    const [column, row] = [(x - this.zoom.x) / this.zoom.z, (y - this.zoom.y) / this.zoom.z].map((v) => Math.floor(v * size));
    const number = this.blobs[`entry${this.header.explainers.indexOf(explainer)}`]?.[row * size + column];
    return number ? `Superpixel ${number}, weight ${explainer.weights[number - 1]}` : "Not among the 20 most influential superpixels";
  }

  scale(factor, x = 0.5, y = 0.5) {
    const { zoom } = this;
    const z = factor ? Math.min(16, Math.max(1, zoom.z * factor)) : 1;
    zoom.x = x - ((x - zoom.x) * z) / zoom.z;
    zoom.y = y - ((y - zoom.y) * z) / zoom.z;
    zoom.z = z;
    this.move();
  }

  move() {
    const { zoom } = this;
    for (const axis of ["x", "y"]) zoom[axis] = Math.min(0, Math.max(1 - zoom.z, zoom[axis]));
    this.root.classList.toggle("zoomed", zoom.z > 1); // a whole image leaves swipes to the page
    for (const [name, value] of Object.entries(zoom)) this.root.style.setProperty(`--${name}`, value);
  }

  toBest() {
    this.go(this.header.best);
    this.atBest = true;
    this.bestTool.setAttribute("aria-pressed", true);
    clearTimeout(this.timer);
    this.report(0);
  }

  turn() {
    this.mode = this.mode === "sets" ? "restored" : "sets";
    this.paint();
    this.reportPanels(this.mode);
  }

  go(n) {
    this.atBest = false;
    const next = Math.min(SIZES, Math.max(1, n));
    if (next === this.n) return;
    this.n = next;
    this.slider.value = next;
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.report(this.n), 400);
  }

  paint() {
    this.frame = null;
    this.output.textContent = `n = ${this.n}`;
    this.bestTool.setAttribute("aria-pressed", this.atBest);
    this.modeTool.setAttribute("aria-pressed", this.mode === "restored");
    for (const panel of this.panels) panel.paint();
    for (const chart of this.charts) chart.at(this.n);
    this.root.dataset.drawn = this.n;
    this.root.dataset.case = this.header.name;
  }

  key(event) {
    const target = event.composedPath()[0];
    const free = target === this.slider || !target.closest?.(TYPED);
    if (!this.slider || !free || event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      ArrowLeft: () => this.go(this.n - 1),
      ArrowRight: () => this.go(this.n + 1),
      "+": () => this.scale(1.5),
      "-": () => this.scale(1 / 1.5),
      0: () => this.scale(0),
      b: () => this.toBest(),
      s: () => this.turn(),
    };
    if (!acts[event.key] || (target === this.slider && event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    acts[event.key]();
  }
}

const viewers = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  if (!viewers.has(parentElement)) viewers.set(parentElement, new Viewer(parentElement));
  const viewer = viewers.get(parentElement);
  viewer.report = (n) => setStateValue("n", n);
  viewer.reportPanels = (panels) => setStateValue("panels", panels);
  viewer.show(data);
  return () => {
    viewer.destroy();
    viewers.delete(parentElement);
  };
}
