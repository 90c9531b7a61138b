// The canvas: puts the layer, what is lit and the labels together, frame by frame, and only when something changed.

import { Pilot } from "./camera";
import { type Camera, type Label, Layer, placeLabels } from "./layer";
import { EDGE_BUDGET, fontSize, markRadius, MOVING_BUDGET } from "./lod";
import { Placer } from "./labels";
import { ease, morph, type Morph } from "./morph";
import { adjacency, bounds, build, byWeight, neighbours, type Net, weight } from "./net";
import { DASH, hairline, paint, paintDisc, paintMark, type Scene, traceLink, type Unnamed } from "./paint";
import { pick } from "./pick";
import { count, plural } from "./text";
import type { Theme } from "./theme";
import { type Style, width as textWidth, write } from "./type";

/** A larger picture than this is faded over rather than moved. */
const MORPH_LINKS = 4000;
/** Up to here the layer is painted anew in each frame of a zoom. */
const LIVE_LINKS = 1600;
const SETTLE = 140;

export class Stage {
  net: Net = build(0, 0, [], []);
  readonly pilot: Pilot;
  /** What the pointer is at, what is in focus, and where the keyboard is; -1 for nothing. */
  hover = -1;
  focus = -1;
  cursor = -1;
  unnamed: Unnamed = "show";
  mutualOnly = false;
  onFrame?: () => void;

  private readonly c: CanvasRenderingContext2D;
  private layer = new Layer();
  private old?: { layer: Layer; since: number };
  private way?: { morph: Morph; since: number };
  private width = 1;
  private height = 1;
  private ratio = 1;
  private seen = 0;
  private dirty = true;
  private asked = false;
  private dim = 0;
  private lastLit = -1;
  private settled = 0;
  private first = true;
  /** The camera of the first picture, until anything else is wanted. */
  private fresh?: Camera;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private theme: Theme,
    private readonly still: () => boolean,
    moved: (byHand: boolean) => void,
  ) {
    this.c = canvas.getContext("2d", { alpha: false })!;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    this.pilot = new Pilot(canvas, (byHand) => { this.ask(); moved(byHand); }, still);
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.repaint();
  }

  /** resize takes the size of the element, and reports whether that is another one. */
  resize(): boolean {
    const { clientWidth, clientHeight } = this.canvas;
    this.pilot.frame(Math.max(1, clientWidth), Math.max(1, clientHeight), bounds(this.net));
    if (clientWidth === this.width && clientHeight === this.height && devicePixelRatio === this.seen) return false;
    this.seen = devicePixelRatio;
    this.width = Math.max(1, this.canvas.clientWidth);
    this.height = Math.max(1, this.canvas.clientHeight);
    const ratio = Math.min(2, devicePixelRatio || 1);
    this.ratio = ratio;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.dirty = true;
    this.fresh = undefined;
    // A canvas of another size is empty: it must not be seen so.
    if (!this.first) this.frame();
    return true;
  }

  /** show replaces the network: at once, or by moving there. */
  show(net: Net, smooth: boolean): void {
    const from = this.net;
    this.net = net;
    this.hover = -1;
    this.way = this.old = undefined;
    this.pilot.frame(this.width, this.height, bounds(net));
    if (smooth && !this.still() && from.names.length > 0) {
      if (net.mutual.length + from.mutual.length <= MORPH_LINKS) this.way = { morph: morph(from, net), since: performance.now() };
      else this.old = { layer: this.layer, since: performance.now() };
      if (this.old) this.layer = new Layer();
    }
    this.repaint();
  }

  /** prepare paints the margin that a gesture needs, once somebody is about to make one. */
  prepare(): void {
    if (this.layer.bare) this.repaint();
  }

  /** repaint says that the layer is out of date. */
  repaint(): void {
    this.dirty = true;
    this.fresh = undefined;
    this.ask();
  }

  /** ask for a frame. */
  ask(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.frame();
    });
  }

  /** begin draws for the first time, straight to the screen: what it takes to be able to move is made when somebody does. */
  begin(): void {
    this.c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    drawWhole(this.c, this.scene(), this.pilot.camera, this.width, this.height);
    this.first = false;
    this.fresh = this.pilot.camera;
  }

  /** frame draws now. */
  frame(): void {
    const { k, dx, dy } = this.pilot.camera;
    const f = this.fresh;
    if (f && f.k === k && f.dx === dx && f.dy === dy && this.lit() < 0) return;
    this.fresh = undefined;
    const now = performance.now();
    this.advance(now);
    this.refresh();
    this.compose(now);
    this.onFrame?.();
  }

  private scene(): Scene {
    const { theme, unnamed, mutualOnly } = this;
    const way = this.way?.morph;
    const budget = this.pilot.moving && this.net.mutual.length > EDGE_BUDGET ? MOVING_BUDGET : EDGE_BUDGET;
    return { budget, net: way?.net ?? this.net, theme, unnamed, mutualOnly, fit: this.pilot.fitScale, alpha: way?.alpha };
  }

  private advance(now: number): void {
    if (!this.way) return;
    const t = (now - this.way.since) / 700;
    if (t >= 1) this.way = undefined;
    else this.way.morph.step(t);
    this.repaint();
  }

  /** refresh paints the layer anew where that is due: at once if it is cheap or needed, after a zoom has settled if not. */
  private refresh(): void {
    const cam = this.pilot.camera;
    if (!this.dirty && this.layer.covers(cam)) return;
    const cheap = this.net.mutual.length <= LIVE_LINKS;
    if (!this.dirty && !cheap && !this.layer.sharp(cam) && this.pilot.moving) {
      this.settle();
      return;
    }
    this.dirty = false;
    // The pictures of a zoom are used once, and need no margin.
    const margin = (this.pilot.moving && !this.layer.sharp(cam)) || this.way ? 0 : Math.round(Math.min(this.width, this.height) * 0.25);
    const scene = this.scene();
    this.layer.render(scene, cam, this.width, this.height, margin, this.ratio);
    if ((margin === 0 && !this.way) || scene.budget < EDGE_BUDGET) this.settle();
  }

  /** settle paints anew once nothing moves any more. */
  private settle(): void {
    clearTimeout(this.settled);
    this.settled = window.setTimeout(() => (this.pilot.moving ? this.settle() : this.repaint()), SETTLE);
  }

  /** lit is the domain whose neighbourhood stands out. */
  lit(): number {
    if (this.hover >= 0) return this.hover;
    return this.cursor >= 0 ? this.cursor : this.focus;
  }

  private compose(now: number): void {
    const { c, ratio } = this;
    const cam = this.pilot.camera;
    const lit = this.lit();
    if (lit >= 0) this.lastLit = lit;
    this.ease(lit >= 0 ? 1 : 0);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.globalAlpha = 1;
    c.fillStyle = this.theme.ground;
    c.fillRect(0, 0, this.width, this.height);
    const base = 1 - this.dim * (this.theme.dark ? 0.72 : 0.78);
    c.globalAlpha = base;
    this.layer.copy(c, cam, ratio);
    if (this.old) this.fade(now, base);
    c.globalAlpha = 1 - this.dim;
    if (this.dim < 1) this.drawLabels(this.layer.labels);
    if (this.dim > 0.01 && this.lastLit >= 0 && this.lastLit < this.net.names.length) this.drawLit(this.lastLit);
    c.globalAlpha = 1;
  }

  private ease(target: number): void {
    if (this.dim === target) return;
    const step = this.still() ? 1 : 0.22;
    this.dim += (target - this.dim) * step;
    if (Math.abs(target - this.dim) < 0.02) this.dim = target;
    else this.ask();
  }

  private fade(now: number, base: number): void {
    const t = (now - this.old!.since) / 500;
    if (t >= 1) {
      this.old = undefined;
      return;
    }
    this.c.globalAlpha = base * (1 - ease(t));
    this.old!.layer.copy(this.c, this.pilot.camera, this.ratio);
    this.ask();
  }

  private drawLabels(labels: Label[]): void {
    const net = this.layer.scene?.net ?? this.net;
    const { k, dx, dy } = this.pilot.camera;
    const alpha = this.c.globalAlpha;
    for (const l of labels) {
      if (this.way) this.c.globalAlpha = alpha * this.way.morph.alpha[l.domain];
      this.put(l.text, l.style, net.x[l.domain] * k + dx + l.dx, net.y[l.domain] * k + dy + l.dy);
    }
  }

  private put(text: string, style: Style, x: number, y: number): void {
    const half = text.length * style.size;
    if (x < -half || y < -20 || x > this.width + half || y > this.height + 20) return;
    write(this.c, text, style, x, y);
  }

  /** drawLit draws a domain, its links and its neighbours on top of the dimmed rest. */
  private drawLit(i: number): void {
    const { c, net, theme } = this;
    const v = this.pilot.camera;
    c.globalAlpha = this.dim;
    if (this.unnamed === "show" && net.counts[i] > 0) paintDisc(c, net, theme, v, i, this.dim);
    c.globalAlpha = this.dim;
    this.litLinks(i);
    const near = neighbours(net, i);
    for (const j of near) paintMark(c, net, theme, v, j, theme.classes[net.classes[j]], 0.6);
    paintMark(c, net, theme, v, i, theme.lit, 2);
    this.litLabels(i, near);
  }

  private litLinks(i: number): void {
    const { c, net } = this;
    const adj = adjacency(net);
    c.strokeStyle = this.theme.lit;
    const many = Math.min(1, 9 / Math.sqrt(net.degree[i] + 1));
    for (const mutual of [0, 1]) {
      c.globalAlpha = this.dim * (mutual ? 0.95 : 0.8) * Math.max(0.35, many);
      c.lineWidth = mutual ? 1.6 : hairline(c);
      c.setLineDash(mutual ? [] : DASH);
      for (let p = adj.from[i]; p < adj.from[i + 1]; p++) {
        if (net.mutual[adj.link[p]] !== mutual || (this.mutualOnly && !mutual)) continue;
        c.beginPath();
        traceLink(c, net, this.pilot.camera, adj.link[p]);
        c.stroke();
      }
    }
    c.setLineDash([]);
    c.globalAlpha = this.dim;
  }

  private litLabels(i: number, near: Uint32Array): void {
    const { net, theme } = this;
    const { k, dx, dy } = this.pilot.camera;
    // A panel at the right covers what is below it; the buttons there cover little.
    const placer = new Placer(this.width - Math.max(0, this.pilot.insets.right - 70), this.height);
    const most = weight(net, byWeight(net)[0]) || 1;
    const at = (j: number) => ({ x: net.x[j] * k + dx, y: net.y[j] * k + dy });
    const draw = (j: number, text: string, size: number, heavy: number, colour: string, gap = 0) => {
      const p = placer.place({
        ...at(j), r: markRadius(net.degree[j], k) + gap, width: textWidth(text, size, heavy), height: size * 1.15, bold: true,
      });
      if (p) this.put(text, { size, weight: heavy, colour, halo: theme.ground }, p.x, p.y);
    };
    const own = Math.max(15, fontSize(weight(net, i) / most, k, this.pilot.fitScale, this.width) + 1);
    draw(i, net.labels[i], own, 700, theme.lit, 2);
    draw(i, this.facts(i), 12, 500, theme.text, 3);
    const order = Array.from(near).sort((a, b) => weight(net, b) - weight(net, a)).slice(0, 150);
    for (const j of order) draw(j, net.labels[j], fontSize(weight(net, j) / most, k, this.pilot.fitScale, this.width), 500, theme.text);
  }

  private facts(i: number): string {
    const links = plural(this.net.degree[i], "link");
    return this.net.counts[i] > 0 ? `${links} · ${count(this.net.counts[i])} unnamed` : links;
  }

  /** colour is that of the curve behind the slider. */
  colour(): string {
    return this.theme.classes[2];
  }

  /** reveal brings a domain into view if it isn't, without a change of scale. */
  reveal(i: number): void {
    const { camera, insets } = this.pilot;
    const x = this.net.x[i] * camera.k + camera.dx;
    const y = this.net.y[i] * camera.k + camera.dy;
    const m = 40;
    if (x > insets.left + m && x < this.width - insets.right - m && y > insets.top + m && y < this.height - insets.bottom - m) return;
    this.pilot.fly(this.pilot.at(this.net.x[i], this.net.y[i], camera.k), 300);
  }

  /** at returns the domain at a point of the canvas, or -1. */
  at(x: number, y: number, near = 12): number {
    const { k, dx, dy } = this.pilot.camera;
    return pick(this.net, (x - dx) / k, (y - dy) / k, near / k, this.unnamed === "show");
  }

  /** snapshot draws the picture anew at a scale of its own, for a file. */
  snapshot(scale: number): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(this.width * scale);
    canvas.height = Math.round(this.height * scale);
    const c = canvas.getContext("2d", { alpha: false })!;
    c.setTransform(scale, 0, 0, scale, 0, 0);
    drawWhole(c, this.scene(), this.pilot.camera, this.width, this.height);
    return canvas;
  }
}

/** drawWhole draws the network with its labels, without a layer between. */
function drawWhole(c: CanvasRenderingContext2D, s: Scene, cam: Camera, width: number, height: number): void {
  paint(c, s, cam, width, height);
  for (const l of placeLabels(s, cam, width, height, 0)) {
    write(c, l.text, l.style, s.net.x[l.domain] * cam.k + cam.dx + l.dx, s.net.y[l.domain] * cam.k + cam.dy + l.dy);
  }
}
