// From one state of the network to the next without a jump.

import type { Net } from "./net";

/** A way from one network to another. */
export interface Morph {
  /** The next network and what vanishes, at their places of the moment. */
  net: Net;
  /** Opacity by index. */
  alpha: Float32Array;
  /** step moves to a moment between 0 and 1. */
  step(t: number): void;
}

/** morph moves what both have, fades in what is new and fades out what is gone. */
export function morph(from: Net, to: Net): Morph {
  const before = new Map(from.names.map((name, i) => [name, i]));
  const n = to.names.length;
  const starts: number[] = to.names.map((name) => before.get(name) ?? -1);
  for (const name of to.names) before.delete(name);
  const gone = [...before.values()];
  const net: Net = {
    ...to,
    names: to.names.concat(gone.map((i) => from.names[i])),
    labels: to.labels.concat(gone.map((i) => from.labels[i])),
    counts: join(Uint32Array, to.counts, from.counts, gone),
    reports: join(Uint8Array, to.reports, from.reports, gone),
    degree: join(Uint32Array, to.degree, from.degree, gone),
    classes: join(Uint8Array, to.classes, from.classes, gone),
    x: join(Float32Array, to.x, from.x, gone),
    y: join(Float32Array, to.y, from.y, gone),
    r: join(Float32Array, to.r, from.r, gone),
  };
  const alpha = new Float32Array(n + gone.length);
  const step = (t: number) => {
    const e = ease(t);
    for (let i = 0; i < n; i++) {
      const s = starts[i];
      alpha[i] = s < 0 ? e : 1;
      if (s < 0) {
        net.r[i] = to.r[i] * (0.6 + 0.4 * e);
        continue;
      }
      net.x[i] = from.x[s] + (to.x[i] - from.x[s]) * e;
      net.y[i] = from.y[s] + (to.y[i] - from.y[s]) * e;
      net.r[i] = from.r[s] + (to.r[i] - from.r[s]) * e;
    }
    alpha.fill(1 - e, n);
  };
  step(0);
  return { net, alpha, step };
}

interface Column<T> {
  new (n: number): T;
}

function join<T extends Float32Array | Uint32Array | Uint8Array>(make: Column<T>, to: T, from: T, gone: number[]): T {
  const out = new make(to.length + gone.length);
  out.set(to);
  gone.forEach((i, k) => (out[to.length + k] = from[i]));
  return out;
}

/** ease starts and ends gently. */
export function ease(t: number): number {
  const u = Math.min(1, Math.max(0, t));
  return u * u * (3 - 2 * u);
}
