// Colours, in one place for both themes. The classes are those of the SVG of graph/export, so that all pictures look alike.

export interface Theme {
  dark: boolean;
  ground: string;
  text: string;
  soft: string;
  /** The neighbourhood that is pointed at. */
  lit: string;
  /** Colours of the classes, from few links to many. */
  classes: string[];
  /** Opacity of the tint and of the dots of a disc. */
  tint: number;
  dots: number;
  /** How much edges shine: light lines on a dark ground need more. */
  edges: number;
}

export const LIGHT: Theme = {
  dark: false,
  ground: "#fbfbf8",
  text: "#1d2733",
  soft: "#55616e",
  lit: "#b34700",
  classes: ["#7f95a6", "#3d9aa8", "#2f74c0", "#5450bd", "#9a3a9c"],
  tint: 0.13,
  dots: 0.62,
  edges: 1,
};

export const DARK: Theme = {
  dark: true,
  ground: "#0c111b",
  text: "#eef3f8",
  soft: "#9fb0c0",
  lit: "#ffb454",
  classes: ["#70879b", "#46b5c2", "#5a9dff", "#9d90ff", "#ea7fd6"],
  tint: 0.15,
  dots: 0.6,
  edges: 1,
};
