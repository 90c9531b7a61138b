// The keyboard on the picture: everything that a pointer can do.

import { neighbours, type Net } from "./net";
import { towards } from "./pick";

/** What the keys do. */
export interface Actions {
  /** The domain where the keyboard is, or that is in focus, or -1. */
  current(): number;
  net(): Net;
  /** The domain to begin with. */
  first(): number;
  move(i: number): void;
  open(i: number): void;
  escape(): void;
  zoom(factor: number): void;
  fit(): void;
  pan(x: number, y: number): void;
}

const ARROWS: Record<string, [number, number]> = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
const PAN = 120;

/** listen handles keys on the picture. */
export function listen(el: HTMLElement, a: Actions): void {
  el.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (press(e.key, e.shiftKey, a)) e.preventDefault();
  });
}

/** press does what a key says, and reports whether it says anything. */
export function press(key: string, shift: boolean, a: Actions): boolean {
  const arrow = ARROWS[key];
  if (arrow && shift) a.pan(-arrow[0] * PAN, -arrow[1] * PAN);
  else if (arrow) step(arrow, a);
  else if (key === "Home") a.move(a.first());
  else if (key === "Enter" || key === " ") a.current() >= 0 && a.open(a.current());
  else if (key === "Escape") a.escape();
  else if (key === "+" || key === "=") a.zoom(1.5);
  else if (key === "-") a.zoom(1 / 1.5);
  else if (key === "0") a.fit();
  else return false;
  return true;
}

/** step goes to the neighbour in a direction, or else to whatever domain is there. */
function step([dx, dy]: [number, number], a: Actions): void {
  const net = a.net();
  const at = a.current();
  if (at < 0) return a.move(a.first());
  let to = towards(net, at, neighbours(net, at), dx, dy);
  if (to < 0) to = towards(net, at, net.names.keys(), dx, dy);
  if (to >= 0) a.move(to);
}
