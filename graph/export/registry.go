package export

import "slices"

var formats = []*Format{
	OldSite, OldSite3D, Compact, Vis, D3, NodeLink, Graphology, Cytoscape, JGF,
	GEXF, GraphML, GML, DOT, Pajek, CSVNodes, CSVEdges, SVG,
}

// Formats returns all formats, in an order fit for a menu.
func Formats() []*Format { return slices.Clone(formats) }

// ByName returns the format of that name, or nil.
func ByName(name string) *Format {
	for _, f := range formats {
		if f.Name == name {
			return f
		}
	}
	return nil
}
