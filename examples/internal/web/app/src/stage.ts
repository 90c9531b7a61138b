// The canvas: puts the layer, what is lit and the labels together, frame by frame, and only when something changed.

import { Pilot } from "./camera";
import { Layer, placeLabels, type Label } from "./layer";
import { fontSize, markRadius } from "./lod";
import { Placer } from "./labels";
import { ease, morph, type Morph } from "./morph";
import { adjacency, bounds, build, byWeight, neighbours, type Net, weight } from "./net";
import { DASH, paintDisc, paintMark, type Scene, traceLink, type Unnamed } from "./paint";
import { pick } from "./pick";
import { Sprites } from "./sprites";
import { count, plural } from "./text";
import type { Theme } from "./theme";

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
  private sprites: Sprites;
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

  constructor(
    readonly canvas: HTMLCanvasElement,
    private theme: Theme,
    private readonly still: () => boolean,
    moved: (byHand: boolean) => void,
  ) {
    this.c = canvas.getContext("2d", { alpha: false })!;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    this.sprites = new Sprites(this.ratio);
    this.pilot = new Pilot(canvas, (byHand) => { this.ask(); moved(byHand); }, still);
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.repaint();
  }

  resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    this.pilot.frame(Math.max(1, clientWidth), Math.max(1, clientHeight), bounds(this.net));
    if (clientWidth === this.width && clientHeight === this.height && devicePixelRatio === this.seen) return;
    this.seen = devicePixelRatio;
    this.width = Math.max(1, this.canvas.clientWidth);
    this.height = Math.max(1, this.canvas.clientHeight);
    const ratio = Math.min(2, devicePixelRatio || 1);
    if (ratio !== this.ratio) this.sprites = new Sprites(ratio);
    this.ratio = ratio;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.dirty = true;
    // A canvas of another size is empty: it must not be seen so.
    if (!this.first) this.frame();
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

  /** repaint says that the layer is out of date. */
  repaint(): void {
    this.dirty = true;
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

  /** frame draws now. */
  frame(): void {
    const now = performance.now();
    this.advance(now);
    this.refresh(now);
    this.compose(now);
    this.onFrame?.();
  }

  private scene(): Scene {
    const { theme, unnamed, mutualOnly } = this;
    const way = this.way?.morph;
    return { net: way?.net ?? this.net, theme, unnamed, mutualOnly, fit: this.pilot.fitScale, alpha: way?.alpha };
  }

  private advance(now: number): void {
    if (!this.way) return;
    const t = (now - this.way.since) / 700;
    if (t >= 1) this.way = undefined;
    else this.way.morph.step(t);
    this.repaint();
  }

  /** refresh paints the layer anew where that is due: at once if it is cheap or needed, after a zoom has settled if not. */
  private refresh(now: number): void {
    const cam = this.pilot.camera;
    if (!this.dirty && this.layer.covers(cam)) return;
    const cheap = this.net.mutual.length <= LIVE_LINKS;
    if (!this.dirty && !cheap && !this.layer.sharp(cam) && this.pilot.moving) {
      clearTimeout(this.settled);
      this.settled = window.setTimeout(() => this.repaint(), SETTLE);
      return;
    }
    this.dirty = false;
    // The first picture is wanted at once, and the ones of a zoom are used once: those need no margin.
    const margin = this.first || (this.pilot.moving && !this.layer.sharp(cam)) || this.way ? 0 : Math.round(Math.min(this.width, this.height) * 0.25);
    this.layer.render(this.scene(), cam, this.width, this.height, margin, this.ratio, this.sprites);
    if (margin === 0 && !this.first && !this.way) {
      clearTimeout(this.settled);
      this.settled = window.setTimeout(() => !this.pilot.moving && this.repaint(), SETTLE);
    }
    this.first = false;
    void now;
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
      this.put(l.sprite, net.x[l.domain] * k + dx + l.dx, net.y[l.domain] * k + dy + l.dy);
    }
  }

  private put(s: { image: HTMLCanvasElement; width: number; height: number }, x: number, y: number): void {
    const r = this.ratio;
    const px = Math.round((x - s.width / 2) * r) / r;
    const py = Math.round((y - s.height / 2) * r) / r;
    if (px + s.width < 0 || py + s.height < 0 || px > this.width || py > this.height) return;
    this.c.drawImage(s.image, px, py, s.width, s.height);
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
      c.beginPath();
      for (let p = adj.from[i]; p < adj.from[i + 1]; p++) {
        if (net.mutual[adj.link[p]] !== mutual || (this.mutualOnly && !mutual)) continue;
        traceLink(c, net, this.pilot.camera, adj.link[p]);
      }
      c.globalAlpha = this.dim * (mutual ? 0.95 : 0.75) * Math.max(0.35, many);
      c.lineWidth = mutual ? 1.6 : 1.2;
      c.setLineDash(mutual ? [] : DASH);
      c.stroke();
    }
    c.setLineDash([]);
    c.globalAlpha = this.dim;
  }

  private litLabels(i: number, near: Uint32Array): void {
    const { net, theme, sprites } = this;
    const { k, dx, dy } = this.pilot.camera;
    // A panel at the right covers what is below it; the buttons there cover little.
    const placer = new Placer(this.width - Math.max(0, this.pilot.insets.right - 70), this.height);
    const most = weight(net, byWeight(net)[0]) || 1;
    const at = (j: number) => ({ x: net.x[j] * k + dx, y: net.y[j] * k + dy });
    const draw = (j: number, text: string, size: number, heavy: number, colour: string, gap = 0) => {
      const p = placer.place({
        ...at(j), r: markRadius(net.degree[j], k) + gap, width: sprites.width(text, size, heavy), height: size * 1.15, bold: true,
      });
      if (p) this.put(sprites.get(text, { size, weight: heavy, colour, halo: theme.ground }), p.x, p.y);
    };
    const own = Math.max(15, fontSize(weight(net, i) / most, k, this.pilot.fitScale) + 1);
    draw(i, net.labels[i], own, 700, theme.lit, 2);
    draw(i, this.facts(i), 12, 500, theme.text, 3);
    const order = Array.from(near).sort((a, b) => weight(net, b) - weight(net, a)).slice(0, 150);
    for (const j of order) draw(j, net.labels[j], fontSize(weight(net, j) / most, k, this.pilot.fitScale), 500, theme.text);
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
    const out = new Layer();
    const sprites = new Sprites(scale);
    const cam = this.pilot.camera;
    const scene = this.scene();
    out.render(scene, cam, this.width, this.height, 0, scale, sprites);
    const c = out.canvas.getContext("2d")!;
    c.setTransform(scale, 0, 0, scale, 0, 0);
    for (const l of placeLabels(scene, cam, this.width, this.height, 0, sprites)) {
      const x = scene.net.x[l.domain] * cam.k + cam.dx + l.dx - l.sprite.width / 2;
      const y = scene.net.y[l.domain] * cam.k + cam.dy + l.dy - l.sprite.height / 2;
      c.drawImage(l.sprite.image, x, y, l.sprite.width, l.sprite.height);
    }
    return out.canvas;
  }
}
