package web

import (
	"html/template"
	"strings"
)

// maxText bounds the operator's text in bytes; what is beyond is left out.
const maxText = 256 << 10

// Block is a part of a text: a heading, a paragraph, or a list.
type Block struct {
	// Heading is 2 or 3 for a heading of that level, and zero otherwise.
	Heading int
	// List tells that each line is an item of a list.
	List bool
	// Lines are the lines; those of a paragraph follow each other.
	Lines [][]Span
}

// Span is a run of letters, which may be a link.
type Span struct {
	// Text is what stands there. It is not escaped.
	Text string
	// Link is where it leads, empty for plain text.
	Link template.URL
}

// ParseText reads a text in a restricted Markdown: "# " and "## " begin headings, "- " begins an item of a list, an empty line a new paragraph,
// and [words](https://example.org) is a link, whose address has to begin with https:, mailto: or xmpp:. Everything else is plain text.
func ParseText(s string) (all []Block) {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	open := false // whether a line goes on with the last block
	for line := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
		line = strings.TrimSpace(line)
		b := Block{}
		switch {
		case line == "":
			open = false
			continue
		case strings.HasPrefix(line, "## "):
			b.Heading, line = 3, line[3:]
		case strings.HasPrefix(line, "# "):
			b.Heading, line = 2, line[2:]
		case strings.HasPrefix(line, "- "):
			b.List, line = true, line[2:]
		}
		spans := parseSpans(strings.TrimSpace(line))
		if last := len(all) - 1; open && b.Heading == 0 && all[last].Heading == 0 && all[last].List == b.List {
			all[last].Lines = append(all[last].Lines, spans)
			continue
		}
		b.Lines = [][]Span{spans}
		all = append(all, b)
		open = true
	}
	return all
}

// parseSpans finds the links in a line.
func parseSpans(s string) (all []Span) {
	for s != "" {
		before, words, link, after, ok := cutLink(s)
		if !ok {
			return append(all, Span{Text: s})
		}
		if before != "" {
			all = append(all, Span{Text: before})
		}
		all = append(all, Span{Text: words, Link: link})
		s = after
	}
	return all
}

// cutLink finds the first link.
func cutLink(s string) (before, words string, link template.URL, after string, ok bool) {
	for from := 0; ; {
		open := strings.IndexByte(s[from:], '[')
		if open < 0 {
			return "", "", "", "", false
		}
		open += from
		mid := strings.Index(s[open:], "](")
		if mid < 0 {
			return "", "", "", "", false
		}
		mid += open
		end := strings.IndexByte(s[mid:], ')')
		if end < 0 {
			return "", "", "", "", false
		}
		end += mid
		if link = address(s[mid+2 : end]); link != "" && mid > open+1 {
			return s[:open], s[open+1 : mid], link, s[end+1:], true
		}
		from = open + 1
	}
}
