// The picture without what moves, kept as a bitmap a little larger than the screen, so that panning costs one copy.

import { fontSize, markRadius, maxLabels } from "./lod";
import { Placer } from "./labels";
import { byWeight, type Net, weight } from "./net";
import { paint, type Scene, type View } from "./paint";
import { type Context, pen, type Surface, surface } from "./surface";
import { type Style, width as textWidth } from "./type";
import { count } from "./text";

/** A label that found its place, relative to its domain's mark. */
export interface Label {
  domain: number;
  text: string;
  style: Style;
  dx: number;
  dy: number;
}

export class Layer {
  readonly canvas: Surface = surface(1, 1);
  labels: Label[] = [];
  scene?: Scene;
  private readonly c = pen(this.canvas);
  private at: View = { k: 1, dx: 0, dy: 0 };
  private width = 0;
  private height = 0;
  private margin = 0;

  /** render paints what the camera sees, and a margin around it. */
  render(s: Scene, cam: View, width: number, height: number, margin: number, ratio: number): void {
    const w = Math.round((width + 2 * margin) * ratio);
    const h = Math.round((height + 2 * margin) * ratio);
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    Object.assign(this, { scene: s, width, height, margin, at: { ...cam } });
    this.c.setTransform(ratio, 0, 0, ratio, 0, 0);
    const v = { k: cam.k, dx: cam.dx + margin, dy: cam.dy + margin };
    paint(this.c, s, v, width + 2 * margin, height + 2 * margin);
    this.labels = placeLabels(s, v, width, height, margin);
  }

  /** bare reports whether there is no margin. */
  get bare(): boolean {
    return this.margin === 0;
  }

  /** covers reports whether the layer is right for a camera but for a shift within its margin. */
  covers(cam: View): boolean {
    return cam.k === this.at.k && Math.abs(cam.dx - this.at.dx) <= this.margin && Math.abs(cam.dy - this.at.dy) <= this.margin;
  }

  /** sharp reports whether the layer has the camera's scale. */
  sharp(cam: View): boolean {
    return cam.k === this.at.k;
  }

  /** copy draws the layer as a camera sees it, which may be a little blurred where that has another scale. */
  copy(c: Context, cam: View, ratio: number): void {
    const s = cam.k / this.at.k;
    const snap = (v: number) => (s === 1 ? Math.round(v * ratio) / ratio : v);
    const x = snap(cam.dx - (this.margin + this.at.dx) * s);
    const y = snap(cam.dy - (this.margin + this.at.dy) * s);
    c.drawImage(this.canvas, x, y, (this.width + 2 * this.margin) * s, (this.height + 2 * this.margin) * s);
  }
}

/** placeLabels gives room to the most important domains first. */
export function placeLabels(s: Scene, v: View, width: number, height: number, margin: number): Label[] {
  const { net, theme } = s;
  const out: Label[] = [];
  const order = byWeight(net);
  const most = weight(net, order[0] ?? 0) || 1;
  const w = width + 2 * margin;
  const h = height + 2 * margin;
  const placer = new Placer(width, height, margin);
  const seen = visible(s, v, w, h, order);
  // Among many small marks a label could be nowhere: it stays off the important ones.
  for (const i of seen.slice(0, Math.round(1.5 * maxLabels(w, h)))) placer.mark(net.x[i] * v.k + v.dx - margin, net.y[i] * v.k + v.dy - margin, markRadius(net.degree[i], v.k));
  let left = maxLabels(w, h);
  for (const [rank, i] of seen.entries()) {
    if (left <= 0) break;
    const share = prominence(net, i, rank, most);
    const size = fontSize(share, v.k, s.fit, width);
    const bold = share > BOLD;
    const style = { size, weight: bold ? 600 : 400, colour: theme.text, halo: theme.ground };
    const x = net.x[i] * v.k + v.dx - margin;
    const y = net.y[i] * v.k + v.dy - margin;
    const r = markRadius(net.degree[i], v.k);
    const p = placer.place({ x, y, r, width: textWidth(net.labels[i], size, style.weight), height: size * 1.15, bold });
    if (p) {
      out.push({ domain: i, text: net.labels[i], style, dx: p.x - x, dy: p.y - y });
      left--;
    }
    if (s.unnamed === "combine" && net.counts[i] > 0) combine(s, i, x, y, r, placer, out);
  }
  return out;
}

/** From this share on a label is bold. */
const BOLD = 0.3;

/** prominence is the share of the largest weight that a domain has; among many equals only a few stand out. */
function prominence(net: Net, i: number, rank: number, most: number): number {
  return weight(net, i) / most / (1 + rank / 30);
}

/** The most labels that are measured ahead. */
const AHEAD = 120;

/** measureLabels measures what the first picture is going to write. */
export function measureLabels(net: Net): void {
  const order = byWeight(net).subarray(0, AHEAD);
  const most = weight(net, order[0] ?? 0) || 1;
  order.forEach((i, rank) => textWidth(net.labels[i], 1, prominence(net, i, rank, most) > BOLD ? 600 : 400));
}

/** combine puts the number of unnamed peers below the mark, where it has room. */
function combine(s: Scene, i: number, x: number, y: number, r: number, placer: Placer, out: Label[]): void {
  const text = "+" + count(s.net.counts[i]);
  const style = { size: 11, weight: 600, colour: s.theme.classes[s.net.classes[i]], halo: s.theme.ground };
  const p = placer.place({ x, y, r, width: textWidth(text, 11, 600), height: 13, bold: false });
  if (p) out.push({ domain: i, text, style, dx: p.x - x, dy: p.y - y });
}

/** visible lists the domains whose mark is on the screen, the most important first, and no more than may get a label. */
function visible(s: Scene, v: View, w: number, h: number, order: Uint32Array): number[] {
  const out: number[] = [];
  const most = 6 * maxLabels(w, h);
  for (const i of order) {
    const x = s.net.x[i] * v.k + v.dx;
    const y = s.net.y[i] * v.k + v.dy;
    if (x >= 0 && y >= 0 && x <= w && y <= h && out.push(i) >= most) break;
  }
  return out;
}
