// What the page and its painter say to each other.

import type { Insets, Size } from "./fit";
import type { Net } from "./net";
import type { Unnamed, View } from "./paint";
import type { State } from "./state";

/** What is looked at, and how. */
export interface Look {
  camera: View;
  /** A gesture or a flight goes on. */
  moving: boolean;
  /** The scale at which everything fits. */
  fit: number;
  /** How much is covered at the right, in CSS pixels. */
  covered: number;
  /** The domain whose neighbourhood stands out, -1 for none. It counts in the network that was sent last. */
  lit: number;
  dark: boolean;
  /** The visitor wants no motion. */
  still: boolean;
  unnamed: Unnamed;
  mutualOnly: boolean;
}

/** The size of the picture, with the pixels of the screen for each CSS pixel. */
export interface Frame extends Size {
  ratio: number;
}

/** What the first picture needs besides the network. */
export interface Opening {
  frame: Frame;
  insets: Insets;
  /** Where the address says that one looks, if it does. */
  view?: { x: number; y: number; k: number };
  dark: boolean;
  still: boolean;
  unnamed: Unnamed;
  mutualOnly: boolean;
}

/** What the page tells the painter. The first three come once, in any order, and make the first picture. */
export type Order =
  | { kind: "canvas"; canvas: HTMLCanvasElement | OffscreenCanvas }
  | { kind: "open"; opening: Opening }
  | { kind: "text"; text: string }
  | { kind: "frame"; frame: Frame }
  | { kind: "look"; look: Look }
  | { kind: "net"; net: Net; smooth: boolean }
  /** Somebody is about to make a gesture. */
  | { kind: "prepare" }
  | { kind: "snapshot"; scale: number };

/** What the painter answers. */
export type Answer =
  /** The first picture is on the screen, seen through this camera. */
  | { kind: "drawn"; camera: View }
  /** A later one is. */
  | { kind: "painted" }
  | { kind: "snapshot"; blob?: Blob }
  | { kind: "failed"; words: string };

/** A painter, wherever it works. */
export interface Channel {
  send(o: Order, transfer?: Transferable[]): void;
  hear: (a: Answer) => void;
}

/** What the first script leaves to the second. */
export interface Begun {
  painter: Channel;
  state: State;
  /** The network as it came. */
  text: Promise<string>;
  camera: View;
}

declare global {
  interface Window {
    begun?: Begun;
    paintHere?: (say: (a: Answer) => void) => { take(o: Order): void };
  }
}
