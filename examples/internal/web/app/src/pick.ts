// Which domain is at a point.

import { quadtree, type Quadtree, type QuadtreeInternalNode, type QuadtreeLeaf } from "d3-quadtree";
import type { Net } from "./net";

const trees = new WeakMap<Net, Quadtree<number>>();

/** tree is made when the pointer first moves, after the picture is drawn. */
function tree(net: Net): Quadtree<number> {
  let t = trees.get(net);
  if (!t) {
    t = quadtree<number>().x((i) => net.x[i]).y((i) => net.y[i]).addAll(net.names.map((_, i) => i));
    trees.set(net, t);
  }
  return t;
}

const reaches = new WeakMap<Net, number>();

function reach(net: Net): number {
  let r = reaches.get(net);
  if (r === undefined) reaches.set(net, (r = net.r.reduce((a, b) => Math.max(a, b), 0)));
  return r;
}

/** pick returns the domain whose mark is within near of a point of the network, or else the one whose disc holds the point, or -1. */
export function pick(net: Net, x: number, y: number, near: number, discs: boolean): number {
  const mark = tree(net).find(x, y, near);
  if (mark !== undefined) return mark;
  return discs ? disc(net, x, y) : -1;
}

function disc(net: Net, x: number, y: number): number {
  let found = -1;
  const most = reach(net);
  tree(net).visit((node, x0, y0, x1, y1) => {
    if (found >= 0 || x < x0 - most || x > x1 + most || y < y0 - most || y > y1 + most) return true;
    for (let leaf = asLeaf(node); leaf; leaf = leaf.next) {
      const i = leaf.data;
      if (net.counts[i] > 0 && Math.hypot(net.x[i] - x, net.y[i] - y) <= net.r[i]) found = i;
    }
    return false;
  });
  return found;
}

function asLeaf(node: QuadtreeInternalNode<number> | QuadtreeLeaf<number>): QuadtreeLeaf<number> | undefined {
  return "length" in node && node.length ? undefined : (node as QuadtreeLeaf<number>);
}

/** towards returns which of some domains is the nearest in a direction, given as a unit vector, or -1 where none is. */
export function towards(net: Net, from: number, among: Iterable<number>, dx: number, dy: number): number {
  let best = -1;
  let least = Infinity;
  for (const i of among) {
    if (i === from) continue;
    const x = net.x[i] - net.x[from];
    const y = net.y[i] - net.y[from];
    const along = x * dx + y * dy;
    const aside = Math.abs(x * dy - y * dx);
    if (along <= 0 || aside > along * 1.5) continue;
    // What is straight ahead is worth a longer way.
    const cost = along + 2 * aside;
    if (cost < least) {
      least = cost;
      best = i;
    }
  }
  return best;
}
