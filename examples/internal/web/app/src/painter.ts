// The painter: puts the layer, what is lit and the labels together, frame by frame, and only when something changed.
// It works off the page's thread where browsers can, so that nothing on the page waits for it.

import { bounds, build, decode, type Compact, type Net } from "./net";
import { type Label, Layer, measureLabels, placeLabels } from "./layer";
import { EDGE_BUDGET, MOVING_BUDGET } from "./lod";
import { drawLit } from "./lit";
import { ease, morph, type Morph } from "./morph";
import type { Answer, Frame, Look, Opening, Order } from "./orders";
import { centred, scaleFor, whole } from "./fit";
import { paint, type Scene, type View } from "./paint";
import { type Context, pen, png, type Surface, surface } from "./surface";
import { DARK, LIGHT, type Theme } from "./theme";
import { width as textWidth, write } from "./type";

/** A larger picture than this is faded over rather than moved. */
const MORPH_LINKS = 4000;
/** Up to here the layer is painted anew in each frame of a zoom. */
const LIVE_LINKS = 1600;
/** After so many milliseconds without a movement the picture gets its details. */
const SETTLE = 140;

const NOWHERE: View = { k: 1, dx: 0, dy: 0 };

export class Painter {
  private net: Net = build(0, 0, [], []);
  private look: Look = { camera: NOWHERE, moving: false, fit: 1, covered: 0, lit: -1, dark: false, still: false, unnamed: "show", mutualOnly: false };
  private frame: Frame = { width: 1, height: 1, ratio: 1 };
  private canvas?: Surface;
  private c?: Context;
  private opening?: Opening;
  private known = false;

  private layer?: Layer;
  private old?: { layer: Layer; since: number };
  private way?: { morph: Morph; since: number };
  private dirty = true;
  private resized = true;
  private asked = false;
  private dim = 0;
  private lastLit = -1;
  private settled: ReturnType<typeof setTimeout> | undefined;
  /** The camera of the first picture, until anything else is wanted. */
  private fresh?: View;

  constructor(private readonly say: (a: Answer) => void) {}

  /** take does what the page says. */
  take(o: Order): void {
    switch (o.kind) {
      case "canvas": return this.open(o.canvas);
      case "open":
        this.opening = o.opening;
        this.frame = o.opening.frame;
        return this.begin();
      case "text": return this.read(o.text);
      case "frame": return this.resize(o.frame);
      case "look": return this.see(o.look);
      case "net": return this.show(o.net, o.smooth);
      case "prepare":
        if (this.layer?.bare ?? true) this.repaint();
        return;
      case "snapshot": return void this.snapshot(o.scale);
    }
  }

  /** open takes the canvas, and makes now what takes long when it is first used. */
  private open(canvas: Surface): void {
    this.canvas = canvas;
    this.c = pen(canvas);
    textWidth("x", 12, 400);
    this.begin();
  }

  /** read takes the network as it came, and measures its names while nobody waits for that. */
  private read(text: string): void {
    try {
      this.net = decode(JSON.parse(text) as Compact);
    } catch (err) {
      return this.say({ kind: "failed", words: String(err) });
    }
    this.known = true;
    measureLabels(this.net);
    this.begin();
  }

  /** begin draws for the first time, straight to the screen: what it takes to be able to move is made when somebody does. */
  private begin(): void {
    const { c, opening: o } = this;
    if (!c || !o || !this.known) return;
    const box = bounds(this.net);
    const fit = scaleFor(box, o.frame, o.insets);
    const camera = o.view ? centred(o.frame, o.insets, o.view.x, o.view.y, o.view.k) : whole(box, o.frame, o.insets, fit);
    Object.assign(this.look, { camera, fit, covered: o.insets.right, dark: o.dark, still: o.still, unnamed: o.unnamed, mutualOnly: o.mutualOnly });
    requestAnimationFrame(() => {
      this.fitCanvas();
      drawWhole(c, this.scene(), camera, o.frame);
      this.dirty = false;
      this.fresh = camera;
      // The next frame begins when this one was handed over, and the one after it when this one was due on the screen.
      requestAnimationFrame(() => requestAnimationFrame(() => this.say({ kind: "drawn", camera })));
    });
  }

  private resize(f: Frame): void {
    this.frame = f;
    this.resized = true;
    this.repaint();
  }

  /** fitCanvas gives the canvas its size, which empties it: so only before something is drawn. */
  private fitCanvas(): void {
    const { canvas, c, frame: f } = this;
    this.resized = false;
    canvas!.width = Math.round(f.width * f.ratio);
    canvas!.height = Math.round(f.height * f.ratio);
    c!.setTransform(f.ratio, 0, 0, f.ratio, 0, 0);
  }

  private see(l: Look): void {
    const was = this.look;
    this.look = l;
    if (l.dark !== was.dark || l.unnamed !== was.unnamed || l.mutualOnly !== was.mutualOnly) this.repaint();
    else this.ask();
  }

  /** show replaces the network: at once, or by moving there. */
  private show(net: Net, smooth: boolean): void {
    const from = this.net;
    this.net = net;
    this.look.lit = this.lastLit = -1;
    this.way = this.old = undefined;
    if (smooth && !this.look.still && from.names.length > 0) {
      if (net.mutual.length + from.mutual.length <= MORPH_LINKS) this.way = { morph: morph(from, net), since: performance.now() };
      else if (this.layer) {
        this.old = { layer: this.layer, since: performance.now() };
        this.layer = undefined;
      }
    }
    this.repaint();
  }

  /** repaint says that the layer is out of date. */
  private repaint(): void {
    this.dirty = true;
    this.fresh = undefined;
    this.ask();
  }

  private ask(): void {
    if (this.asked || !this.c) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  private draw(): void {
    const { k, dx, dy } = this.look.camera;
    const f = this.fresh;
    if (f && f.k === k && f.dx === dx && f.dy === dy && this.look.lit < 0) return;
    this.fresh = undefined;
    if (this.resized) this.fitCanvas();
    const now = performance.now();
    this.advance(now);
    this.refresh();
    this.compose(now);
    this.say({ kind: "painted" });
  }

  /** shown is the network at the moment of the frame, which may be on its way to the one that is known. */
  private get shown(): Net {
    return this.way?.morph.net ?? this.net;
  }

  private get theme(): Theme {
    return this.look.dark ? DARK : LIGHT;
  }

  private scene(): Scene {
    const { unnamed, mutualOnly, moving, fit } = this.look;
    const budget = moving && this.net.mutual.length > EDGE_BUDGET ? MOVING_BUDGET : EDGE_BUDGET;
    return { budget, net: this.shown, theme: this.theme, unnamed, mutualOnly, fit, alpha: this.way?.morph.alpha };
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
    const { camera: cam, moving } = this.look;
    const layer = (this.layer ??= new Layer());
    if (!this.dirty && layer.covers(cam)) return;
    const cheap = this.net.mutual.length <= LIVE_LINKS;
    if (!this.dirty && !cheap && !layer.sharp(cam) && moving) {
      this.settle();
      return;
    }
    this.dirty = false;
    const { width, height, ratio } = this.frame;
    // The pictures of a zoom are used once, and need no margin.
    const margin = (moving && !layer.sharp(cam)) || this.way ? 0 : Math.round(Math.min(width, height) * 0.25);
    const scene = this.scene();
    layer.render(scene, cam, width, height, margin, ratio);
    if ((margin === 0 && !this.way) || scene.budget < EDGE_BUDGET) this.settle();
  }

  /** settle paints anew once nothing moves any more. */
  private settle(): void {
    clearTimeout(this.settled);
    this.settled = setTimeout(() => (this.look.moving ? this.settle() : this.repaint()), SETTLE);
  }

  private compose(now: number): void {
    const { frame: f, theme } = this;
    const c = this.c!;
    const { camera: cam, lit } = this.look;
    if (lit >= 0) this.lastLit = lit;
    this.ease(lit >= 0 ? 1 : 0);
    c.globalAlpha = 1;
    c.fillStyle = theme.ground;
    c.fillRect(0, 0, f.width, f.height);
    const base = 1 - this.dim * (theme.dark ? 0.72 : 0.78);
    c.globalAlpha = base;
    this.layer!.copy(c, cam, f.ratio);
    const there = this.old ? this.fade(now, base) : 1;
    c.globalAlpha = 1 - this.dim;
    if (this.dim < 1) this.drawLabels(this.layer!.labels);
    if (this.dim > 0.01 && this.lastLit >= 0 && this.lastLit < this.net.names.length) {
      const { unnamed, mutualOnly, fit, covered } = this.look;
      drawLit(c, { net: this.shown, alpha: this.way?.morph.alpha, theme, unnamed, mutualOnly, fit, view: cam, frame: f, covered, dim: this.dim * there }, this.lastLit);
    }
    c.globalAlpha = 1;
  }

  private ease(target: number): void {
    if (this.dim === target) return;
    const step = this.look.still ? 1 : 0.22;
    this.dim += (target - this.dim) * step;
    if (Math.abs(target - this.dim) < 0.02) this.dim = target;
    else this.ask();
  }

  /** fade lets the picture before vanish, and returns how far the next one is there. */
  private fade(now: number, base: number): number {
    const t = (now - this.old!.since) / 500;
    if (t >= 1) {
      this.old = undefined;
      return 1;
    }
    this.c!.globalAlpha = base * (1 - ease(t));
    this.old!.layer.copy(this.c!, this.look.camera, this.frame.ratio);
    this.ask();
    return ease(t);
  }

  private drawLabels(labels: Label[]): void {
    const net = this.layer!.scene?.net ?? this.net;
    const c = this.c!;
    const { k, dx, dy } = this.look.camera;
    const alpha = c.globalAlpha;
    for (const l of labels) {
      if (this.way) c.globalAlpha = alpha * this.way.morph.alpha[l.domain];
      put(c, this.frame, l, net.x[l.domain] * k + dx + l.dx, net.y[l.domain] * k + dy + l.dy);
    }
  }

  /** snapshot draws the picture anew at a scale of its own, for a file. */
  private async snapshot(scale: number): Promise<void> {
    const { width, height } = this.frame;
    const s = surface(Math.round(width * scale), Math.round(height * scale));
    const c = pen(s);
    c.setTransform(scale, 0, 0, scale, 0, 0);
    drawWhole(c, this.scene(), this.look.camera, this.frame);
    this.say({ kind: "snapshot", blob: await png(s).catch(() => undefined) });
  }
}

/** put writes a label unless it is off the picture. */
function put(c: Context, f: Frame, l: Pick<Label, "text" | "style">, x: number, y: number): void {
  const half = l.text.length * l.style.size;
  if (x < -half || y < -20 || x > f.width + half || y > f.height + 20) return;
  write(c, l.text, l.style, x, y);
}

/** drawWhole draws the network with its labels, without a layer between. */
function drawWhole(c: Context, s: Scene, cam: View, f: Frame): void {
  paint(c, s, cam, f.width, f.height);
  for (const l of placeLabels(s, cam, f.width, f.height, 0)) {
    write(c, l.text, l.style, s.net.x[l.domain] * cam.k + cam.dx + l.dx, s.net.y[l.domain] * cam.k + cam.dy + l.dy);
  }
}
