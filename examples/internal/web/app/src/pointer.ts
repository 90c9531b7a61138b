// The pointer on the picture: what it is over, and what a click or a tap means.

import type { Stage } from "./stage";

/** follow tells what the pointer is over, -1 for nothing, and what was clicked. */
export function follow(stage: Stage, over: (i: number) => void, click: (i: number) => void): void {
  const el = stage.canvas;
  const at = (e: PointerEvent | MouseEvent, near: number) => {
    const box = el.getBoundingClientRect();
    return stage.at(e.clientX - box.left, e.clientY - box.top, near);
  };
  let waiting: PointerEvent | undefined;
  el.addEventListener("pointermove", (e) => {
    stage.prepare();
    if (e.pointerType === "touch" || e.buttons) return;
    // One look for each frame is enough, however often the pointer reports.
    if (!waiting) {
      requestAnimationFrame(() => {
        if (waiting && !stage.pilot.moving) over(at(waiting, 10));
        waiting = undefined;
      });
    }
    waiting = e;
  });
  el.addEventListener("pointerleave", () => {
    waiting = undefined;
    over(-1);
  });
  // d3-zoom suppresses the click that ends a drag.
  el.addEventListener("click", (e) => click(at(e, "pointerType" in e && e.pointerType === "touch" ? 22 : 12)));
}
