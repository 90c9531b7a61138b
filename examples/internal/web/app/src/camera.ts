// Pan, zoom and flights. d3-zoom knows what wheels, fingers and trackpads do.

import { interpolateZoom } from "d3-interpolate";
import { pointer, select } from "d3-selection";
import { zoom, zoomIdentity, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import { centred, type Insets, middle, scaleFor, whole } from "./fit";
import type { Box } from "./net";
import { ease } from "./morph";
import type { View } from "./paint";

/** A view of the network: a point is shown at x·k + dx, in CSS pixels. */
export type Camera = View;

/** Pilot owns where the camera is. */
export class Pilot {
  camera: Camera = { k: 1, dx: 0, dy: 0 };
  insets: Insets = { top: 0, right: 0, bottom: 0, left: 0 };
  /** The scale at which everything fits. */
  fitScale = 1;
  /** A gesture or a flight goes on. */
  moving = false;
  width = 1;
  height = 1;
  private box: Box = { x0: -1, y0: -1, x1: 1, y1: 1 };
  private flight = 0;
  private readonly behaviour: ZoomBehavior<HTMLCanvasElement, unknown>;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly moved: (byHand: boolean) => void,
    private readonly still: () => boolean,
  ) {
    this.behaviour = zoom<HTMLCanvasElement, unknown>()
      .filter((e: Event) => !(e instanceof MouseEvent && e.button > 0))
      .on("start", (e) => e.sourceEvent && this.begin())
      .on("zoom", (e) => this.take(e.transform, Boolean(e.sourceEvent)))
      .on("end", (e) => e.sourceEvent && this.end());
    // d3-zoom calls this for two quick taps as well.
    select(canvas).call(this.behaviour).on("dblclick.zoom", (e: MouseEvent | TouchEvent) => {
      e.preventDefault();
      const [x, y] = pointer("changedTouches" in e ? e.changedTouches[0] : e, canvas);
      this.zoomBy("shiftKey" in e && e.shiftKey ? 0.5 : 2, x, y);
    });
  }

  private begin(): void {
    cancelAnimationFrame(this.flight);
    this.moving = true;
  }

  private end(): void {
    this.moving = false;
    this.moved(true);
  }

  private take(t: ZoomTransform, byHand: boolean): void {
    this.camera = { k: t.k, dx: t.x, dy: t.y };
    this.moved(byHand);
  }

  private set(c: Camera): void {
    select(this.canvas).call(this.behaviour.transform, zoomIdentity.translate(c.dx, c.dy).scale(c.k));
  }

  /** frame tells the size of the picture and what it holds, and keeps the middle of the view where it was. */
  frame(width: number, height: number, box: Box): void {
    const c = this.centre();
    Object.assign(this, { width, height, box });
    this.fitScale = this.scaleFor(box);
    const room = Math.max(box.x1 - box.x0, box.y1 - box.y0);
    this.behaviour
      .scaleExtent([this.fitScale * 0.4, Math.max(12, this.fitScale * 12)])
      .translateExtent([[box.x0 - room, box.y0 - room], [box.x1 + room, box.y1 + room]])
      .extent([[0, 0], [width, height]]);
    this.behaviour.wheelDelta((e) => -e.deltaY * (e.deltaMode === 1 ? 0.05 : e.deltaMode ? 1 : 0.0022) * (e.ctrlKey ? 8 : 1));
    this.set(this.at(c.x, c.y, this.camera.k));
  }

  private scaleFor(b: Box): number {
    return scaleFor(b, this, this.insets);
  }

  /** The middle of what is not covered. */
  private middle(): { x: number; y: number } {
    return middle(this, this.insets);
  }

  /** centre is the point of the network in the middle of the view. */
  centre(): { x: number; y: number; k: number } {
    const m = this.middle();
    const { k, dx, dy } = this.camera;
    return { x: (m.x - dx) / k, y: (m.y - dy) / k, k };
  }

  /** at is the camera that shows a point in the middle. */
  at(x: number, y: number, k: number): Camera {
    return centred(this, this.insets, x, y, k);
  }

  /** overview is the camera that shows everything. */
  overview(): Camera {
    return whole(this.box, this, this.insets, this.fitScale);
  }

  /** boxed is the camera that shows a rectangle, no closer than at most. */
  boxed(b: Box, most: number): Camera {
    return whole(b, this, this.insets, Math.min(this.scaleFor(b), most));
  }

  jump(c: Camera): void {
    cancelAnimationFrame(this.flight);
    this.set(c);
  }

  /** fly goes there on a smooth path, or at once for those who want no motion. */
  fly(to: Camera, duration = 650): void {
    cancelAnimationFrame(this.flight);
    if (this.still()) return this.jump(to);
    const m = this.middle();
    const view = (c: Camera): [number, number, number] => [(m.x - c.dx) / c.k, (m.y - c.dy) / c.k, this.width / c.k];
    const path = interpolateZoom(view(this.camera), view(to));
    const start = performance.now();
    this.moving = true;
    const step = () => {
      const t = Math.min(1, (performance.now() - start) / duration);
      const [x, y, w] = path(ease(t));
      if (t < 1) this.flight = requestAnimationFrame(step);
      else this.moving = false;
      this.set(t < 1 ? this.at(x, y, this.width / w) : to);
    };
    this.flight = requestAnimationFrame(step);
  }

  /** zoomBy zooms round a point of the screen, by default the middle. */
  zoomBy(factor: number, x = this.middle().x, y = this.middle().y): void {
    const [least, most] = this.behaviour.scaleExtent();
    const k = Math.min(most, Math.max(least, this.camera.k * factor));
    const f = k / this.camera.k;
    this.fly({ k, dx: x - (x - this.camera.dx) * f, dy: y - (y - this.camera.dy) * f }, 220);
  }

  /** panBy shifts the view by so many pixels. */
  panBy(x: number, y: number): void {
    this.fly({ ...this.camera, dx: this.camera.dx + x, dy: this.camera.dy + y }, 160);
  }
}
