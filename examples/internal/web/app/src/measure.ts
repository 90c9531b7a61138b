// What covers the picture.

import { by } from "./dom";
import type { Insets } from "./fit";

/** measure tells what covers the picture at its rims. */
export function measure(panel: boolean): Insets {
  const wide = innerWidth > 760;
  const time = by("time");
  return {
    top: by("lead").offsetHeight + 22,
    left: wide ? 28 : 12,
    right: wide ? (panel ? by("panel").offsetWidth + 24 : 64) : 12,
    bottom: !wide && panel ? Math.min(by("panel").offsetHeight, innerHeight * 0.5) : (time.hidden ? 0 : time.offsetHeight) + (wide ? 34 : 58),
  };
}
