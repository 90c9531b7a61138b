package conformance

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// marks are how the text for people shows each status.
var marks = map[Status]string{Pass: "✔", Fail: "✖", Skip: "–", NotApplicable: " "}

// WriteText writes the report for people, a line for each case.
// Those that do not apply are left out, and a row of those that could not be checked for the same reason is one line.
func (r *Report) WriteText(w io.Writer) error {
	b := new(strings.Builder)
	row := 0
	for i, one := range r.Results {
		if one.Status == NotApplicable {
			continue
		}
		if row++; i+1 < len(r.Results) && one.Status == Skip && r.Results[i+1].Status == Skip && r.Results[i+1].Message == one.Message {
			continue
		}
		if row > 1 {
			one.Level, one.ID = "", fmt.Sprintf("%d cases", row)
		}
		one.appendText(b)
		row = 0
	}
	fmt.Fprintf(b, "\n%s\n", r.Summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Result) appendText(b *strings.Builder) {
	line := fmt.Sprintf("%s %-6s %-28s %s", marks[r.Status], r.Level, r.ID, printable(r.Message))
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	if r.Status != Fail {
		return
	}
	fmt.Fprintf(b, "    %s: %s\n", section(r.Section), r.Sentence)
	for l := range strings.Lines(r.Remedy) {
		fmt.Fprintf(b, "    → %s\n", printable(strings.TrimRight(l, "\n")))
	}
}

// section spells out which document a bare section is of.
func section(s string) string {
	if strings.HasPrefix(s, "§") {
		return "XEP-0485 " + s
	}
	return s
}

// Summary returns the verdict in a line.
func (r *Report) Summary() string {
	must, should := len(r.Failed(Must)), len(r.Failed(Should))
	skipped := len(r.Skipped(Must)) + len(r.Skipped(Should))
	target := r.Target
	if target == "" {
		target = "the payload"
	}
	verdict := "conforms"
	if must > 0 {
		verdict = "does not conform"
	}
	return fmt.Sprintf("%s %s: %s of level MUST, %s of level SHOULD, %d not checked",
		printable(target), verdict, failures(must), failures(should), skipped)
}

func failures(n int) string {
	switch n {
	case 0:
		return "no failure"
	case 1:
		return "1 failure"
	}
	return fmt.Sprintf("%d failures", n)
}

// document is the JSON form of a report, whose schema is testdata/report.schema.json.
type document struct {
	// Format is the version of the schema.
	Format int `json:"format"`
	*Report
	Conforms bool `json:"conforms"`
}

// WriteJSON writes the report as one JSON object, as testdata/report.schema.json describes it.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	d := document{Format: 1, Report: r, Conforms: r.Conforms()}
	if r.Results == nil {
		copied := *r
		copied.Results = []Result{}
		d.Report = &copied
	}
	return e.Encode(d)
}

// WriteTAP writes the report as TAP version 14.
// Failures of level [Schema] are marked as TODO, so that they fail nothing; what does not apply is skipped.
func (r *Report) WriteTAP(w io.Writer) error {
	b := new(strings.Builder)
	fmt.Fprintf(b, "TAP version 14\n1..%d\n", len(r.Results))
	for i, one := range r.Results {
		ok, directive := "ok", ""
		switch one.Status {
		case Fail:
			ok = "not ok"
			if !one.Counted() {
				directive = " # TODO only the schema forbids it"
			}
		case Skip, NotApplicable:
			directive = " # SKIP " + tapText(one.Message)
		}
		fmt.Fprintf(b, "%s %d - %s%s\n", ok, i+1, one.ID, directive)
		fmt.Fprintf(b, "  ---\n  level: %s\n  section: %s\n  sentence: %s\n",
			quoteYAML(string(one.Level)), quoteYAML(section(one.Section)), quoteYAML(one.Sentence))
		if one.Message != "" {
			fmt.Fprintf(b, "  message: %s\n", quoteYAML(one.Message))
		}
		if one.Remedy != "" {
			fmt.Fprintf(b, "  remedy: %s\n", quoteYAML(one.Remedy))
		}
		b.WriteString("  ...\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tapText keeps a reason from being read as the beginning of something else.
func tapText(s string) string {
	return strings.NewReplacer("\\", "\\\\", "#", "\\#").Replace(printable(s))
}

// quoteYAML returns a double-quoted scalar, of which a JSON string is one.
func quoteYAML(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

type junitSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Suite   junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name       string          `xml:"name,attr"`
	Class      string          `xml:"classname,attr"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Skipped    *junitMessage   `xml:"skipped"`
	Failure    *junitMessage   `xml:"failure"`
	Out        string          `xml:"system-out,omitempty"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML.
// Each case has the properties specification, section, quote (the sentence, in our words), level and needs.
// Failures of level [Schema] count as skipped.
func (r *Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{Name: "XEP-0485 " + printable(r.Target), Tests: len(r.Results), Time: seconds(r.Took),
		Timestamp: r.At.UTC().Format("2006-01-02T15:04:05")}
	for _, one := range r.Results {
		c := one.junit()
		if c.Failure != nil {
			suite.Failures++
		}
		if c.Skipped != nil {
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suite: suite}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r Result) junit() junitCase {
	spec, at, ok := strings.Cut(section(r.Section), " §")
	if ok {
		at = "§" + at
	}
	c := junitCase{Name: r.ID, Class: "xep0485." + string(r.Needs), Time: "0", Properties: []junitProperty{
		{"specification", spec}, {"section", at}, {"quote", r.Sentence}, {"level", string(r.Level)}, {"needs", string(r.Needs)},
	}}
	switch {
	case r.Status == Fail && r.Counted():
		c.Failure = &junitMessage{Message: r.Message, Type: string(r.Level), Text: r.Remedy}
	case r.Status == Fail:
		c.Skipped = &junitMessage{Message: "only the schema forbids it: " + r.Message}
	case r.Status != Pass:
		c.Skipped = &junitMessage{Message: r.Message}
	}
	c.Out = r.LogText()
	return c
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// LogText returns the stanzas behind a result for people, one after the other.
func (r Result) LogText() string {
	var b strings.Builder
	for _, s := range r.Log {
		arrow := "←"
		if s.Sent {
			arrow = "→"
		}
		fmt.Fprintf(&b, "%s %s %s", arrow, printable(s.With), s.XML)
		if s.Error != "" {
			fmt.Fprintf(&b, " (%s)", printable(s.Error))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
