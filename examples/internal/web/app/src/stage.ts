// The picture as the page knows it: what is shown, what is lit, and where one looks. The painter draws it.

import { Pilot } from "./camera";
import { frameOf } from "./frame";
import { bounds, type Net } from "./net";
import type { Channel, Frame, Look } from "./orders";
import type { Unnamed, View } from "./paint";
import { pick } from "./pick";

export class Stage {
  readonly pilot: Pilot;
  /** What the pointer is at, what is in focus, and where the keyboard is; -1 for nothing. */
  hover = -1;
  focus = -1;
  cursor = -1;
  unnamed: Unnamed = "show";
  mutualOnly = false;
  private frame: Frame;
  private asked = false;
  private saving?: (b: Blob | undefined) => void;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly painter: Channel,
    public net: Net,
    private readonly dark: () => boolean,
    private readonly still: () => boolean,
    moved: (byHand: boolean) => void,
  ) {
    this.frame = frameOf(canvas);
    this.pilot = new Pilot(canvas, (byHand) => { this.ask(); moved(byHand); }, still);
    painter.hear = (a) => {
      // Whoever wants to know how smoothly the picture moves can count these.
      if (a.kind === "painted") canvas.dispatchEvent(new Event("painted"));
      if (a.kind === "snapshot") this.saving?.(a.blob);
    };
  }

  /** begin takes over where the first picture left off. */
  begin(camera: View): void {
    this.pilot.frame(this.frame.width, this.frame.height, bounds(this.net));
    this.pilot.jump(camera);
  }

  /** resize takes the size of the element, and reports whether that is another one. */
  resize(): boolean {
    const { width, height, ratio } = this.frame;
    const f = (this.frame = frameOf(this.canvas));
    this.pilot.frame(f.width, f.height, bounds(this.net));
    if (f.width === width && f.height === height && f.ratio === ratio) return false;
    this.painter.send({ kind: "frame", frame: f });
    return true;
  }

  /** show replaces the network: at once, or by moving there. */
  show(net: Net, smooth: boolean): void {
    this.net = net;
    this.hover = -1;
    this.painter.send({ kind: "net", net, smooth });
    this.pilot.frame(this.frame.width, this.frame.height, bounds(net));
    this.ask();
  }

  /** prepare says that a gesture may come. */
  prepare(): void {
    this.painter.send({ kind: "prepare" });
  }

  /** ask for a picture of what is wanted now, once for all that is said in one go. */
  ask(): void {
    if (this.asked) return;
    this.asked = true;
    queueMicrotask(() => {
      this.asked = false;
      this.painter.send({ kind: "look", look: this.look() });
    });
  }

  private look(): Look {
    const { pilot: p, unnamed, mutualOnly } = this;
    return { camera: p.camera, moving: p.moving, fit: p.fitScale, covered: p.insets.right, lit: this.lit(), dark: this.dark(), still: this.still(), unnamed, mutualOnly };
  }

  /** lit is the domain whose neighbourhood stands out. */
  private lit(): number {
    if (this.hover >= 0) return this.hover;
    return this.cursor >= 0 ? this.cursor : this.focus;
  }

  /** reveal brings a domain into view if it isn't, without a change of scale. */
  reveal(i: number): void {
    const { camera, insets } = this.pilot;
    const x = this.net.x[i] * camera.k + camera.dx;
    const y = this.net.y[i] * camera.k + camera.dy;
    const { width, height } = this.frame;
    const m = 40;
    if (x > insets.left + m && x < width - insets.right - m && y > insets.top + m && y < height - insets.bottom - m) return;
    this.pilot.fly(this.pilot.at(this.net.x[i], this.net.y[i], camera.k), 300);
  }

  /** at returns the domain at a point of the canvas, or -1. */
  at(x: number, y: number, near = 12): number {
    const { k, dx, dy } = this.pilot.camera;
    return pick(this.net, (x - dx) / k, (y - dy) / k, near / k, this.unnamed === "show");
  }

  /** snapshot has the picture drawn anew at a scale of its own, as a PNG; undefined where that fails. */
  snapshot(scale: number): Promise<Blob | undefined> {
    return new Promise((done) => {
      this.saving = done;
      this.painter.send({ kind: "snapshot", scale });
    });
  }
}
