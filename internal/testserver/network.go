package testserver

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// The shape of the public network as an aggregator saw it in January 2025: 112 named domains, 1,112 links between them,
// 5,671 links to domains that stayed unnamed.
// 45 of the named domains had unnamed peers, and so must have published a report.
// Ten links between two others are left out here: with nobody to tell of them, no crawler finds them.
// The exponents fit the sorted degrees: the fraction q of domains with more links leaves a degree of max·(1-q)^exponent.
const (
	realNamed     = 112
	realReporters = 45
	realBetween   = 431 // links between two reporters
	realOutward   = 671 // links from a reporter to a named domain that does not report
	realUnnamed   = 5671

	betweenExponent = 0.65 // of a reporter's links to reporters
	outwardExponent = 4.5  // of a reporter's links to others
	quietExponent   = 1.9  // of the others' links to reporters
	unnamedMedian   = 58.0 // the unnamed peers of reporters are distributed log-normally
	unnamedSigma    = 1.44
	unnamedNoise    = 0.2 // standard deviation in ranks, for a rank correlation of 0.76 with the named links

	// The real network was seen at one size only. That degrees grow with its fourth root is an assumption:
	// they must grow somehow, since more users of a server talk to more servers, but far slower than the network.
	growth = 0.25
	// oneSided is the share of links between reporters that only one of them tells of.
	oneSided = 0.08
)

// Federation is a network of named domains, with the truth about it that a crawler should find.
type Federation struct {
	// Domains are the named domains, those with the most links first.
	Domains []Member
	// Claims are what the reports say, as a reader sees it, in the order of Domains and then sorted by To.
	Claims []Claim
}

// Member is a named domain of a [Federation].
type Member struct {
	// Name is the domain.
	Name string
	// Profile is its server and publisher.
	Profile Profile
	// Peers are the named domains that its report names, sorted; empty where it does not report.
	Peers []Peer
	// Unnamed is how many further domains its report counts.
	Unnamed int
}

// Claim is a link as one report tells of it.
type Claim struct {
	// From is the reporting domain, To the peer that it names.
	From, To string
	// Directions are those that the report shows: some publishers hide or change them, see [Profile.Seen].
	Directions Directions
}

// Network generates a federation of that many named domains, with the degrees, the share of reporters and the numbers of unnamed peers
// of the real network, all with fictitious names. The same seed and size give the same network.
//
// With size 112 it has the real numbers of reporters, unnamed peers and links that a report tells of.
func Network(seed uint64, size int) *Federation {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 0x485)), size: max(size, 0)}
	g.reporters = share(realReporters, g.size)
	g.claims = make([][]claim, g.size)
	g.link()
	return g.federation(seed)
}

// share scales a number of the real network to another size of it.
func share(of, size int) int {
	return int(math.Round(float64(of) * float64(size) / realNamed))
}

// generator numbers the domains: the reporters come first, each group sorted by reach.
type generator struct {
	rng       *rand.Rand
	size      int
	reporters int
	claims    [][]claim // by reporter
	seen      map[uint64]struct{}
}

// claim is a peer in a report while the domains are still numbers.
type claim struct {
	to         int
	directions Directions
}

// link draws the links: pairs by the product of their weights, without repetition.
func (g *generator) link() {
	between := weights(g.reporters, betweenExponent)
	outward := weights(g.reporters, outwardExponent)
	quiet := weights(g.size-g.reporters, quietExponent)
	scale := math.Pow(float64(g.size)/realNamed, growth)

	r := g.reporters
	g.seen = make(map[uint64]struct{}, links(realBetween+realOutward, g.size, scale, g.size*g.size))
	g.draw(links(realBetween, g.size, scale, r*(r-1)/2), func() (int, int) {
		a, b := between.pick(g.rng), between.pick(g.rng)
		return min(a, b), max(a, b)
	}, g.mutual)
	g.draw(links(realOutward, g.size, scale, r*(g.size-r)), func() (int, int) {
		return outward.pick(g.rng), r + quiet.pick(g.rng)
	}, g.single)
}

// links scales a number of links, and keeps it well below the number of possible ones, where drawing would take forever.
func links(of, size int, scale float64, possible int) int {
	n := int(math.Round(float64(share(of, size)) * scale))
	return min(n, possible*6/10)
}

func (g *generator) draw(n int, pick func() (int, int), add func(a, b int)) {
	for n > 0 {
		a, b := pick()
		before := len(g.seen)
		if a != b {
			g.seen[uint64(a)<<32|uint64(b)] = struct{}{}
		}
		if len(g.seen) == before {
			continue
		}
		add(a, b)
		n--
	}
}

// mutual links two reporters, of which nearly always both tell.
func (g *generator) mutual(a, b int) {
	d := g.directions()
	silent := g.rng.Float64()
	if silent >= oneSided/2 {
		g.claim(a, b, d)
	}
	if silent < oneSided/2 || silent >= oneSided {
		g.claim(b, a, d.reverse())
	}
}

// single links a reporter to a domain that does not report.
func (g *generator) single(a, b int) { g.claim(a, b, g.directions()) }

func (g *generator) claim(from, to int, d Directions) {
	g.claims[from] = append(g.claims[from], claim{to, d})
}

func (g *generator) directions() Directions {
	switch x := g.rng.Float64(); {
	case x < 0.5:
		return In | Out
	case x < 0.8:
		return Bidi
	case x < 0.9:
		return In
	}
	return Out
}

// reverse is the same connections as the other side sees them.
func (d Directions) reverse() Directions {
	r := d & Bidi
	if d&In != 0 {
		r |= Out
	}
	if d&Out != 0 {
		r |= In
	}
	return r
}

// unnamed gives each reporter its number of unnamed peers, more to those with more named ones.
func (g *generator) unnamed() []int {
	n := g.reporters
	order := make([]int, n)
	key := make([]float64, n)
	for i := range order {
		order[i] = i
		key[i] = (float64(i)+0.5)/float64(n) + g.rng.NormFloat64()*unnamedNoise
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(key[a], key[b]) })
	shares := make([]float64, n)
	sum := 0.0
	for rank, i := range order {
		q := (float64(rank) + 0.5) / float64(n)
		shares[i] = unnamedMedian * math.Exp(unnamedSigma*math.Sqrt2*math.Erfinv(1-2*q))
		sum += shares[i]
	}
	total := share(realUnnamed, g.size)
	counts := make([]int, n)
	left, carry := total, 0.0
	for _, i := range order {
		exact := shares[i]/sum*float64(total) + carry
		counts[i] = min(left, int(math.Round(exact)))
		carry = exact - float64(counts[i])
		left -= counts[i]
	}
	return counts
}

// federation names the domains and sorts everything.
func (g *generator) federation(seed uint64) *Federation {
	names := domainNames(seed, g.size)
	unnamed := g.unnamed()
	f := &Federation{Domains: make([]Member, g.size)}
	rank := ranks(names)
	total := 0
	for _, claims := range g.claims {
		total += len(claims)
	}
	f.Claims = make([]Claim, 0, total)
	for i := range f.Domains {
		m := &f.Domains[i]
		m.Name, m.Profile = names[i], g.profile(i)
		if i < g.reporters {
			m.Unnamed = unnamed[i]
		}
		slices.SortFunc(g.claims[i], func(a, b claim) int { return cmp.Compare(rank[a.to], rank[b.to]) })
		m.Peers = make([]Peer, 0, len(g.claims[i]))
		for _, c := range g.claims[i] {
			m.Peers = append(m.Peers, Peer{names[c.to], c.directions})
			f.Claims = append(f.Claims, Claim{m.Name, names[c.to], m.Profile.Seen(c.directions)})
		}
	}
	return f
}

// ranks returns the place of each name in alphabetical order.
func ranks(names []string) []int {
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(names[a], names[b]) })
	rank := make([]int, len(names))
	for place, i := range order {
		rank[i] = place
	}
	return rank
}

// The shares of the profiles among the reporters and among the others, in plausible proportions:
// nobody has counted them.
var (
	reporterProfiles = []struct {
		share   float64
		profile Profile
	}{{0.44, Prosody}, {0.04, ProsodyOld}, {0.27, Ejabberd}, {0.2, Openfire}, {0.05, Standard}}
	quietProfiles = []struct {
		share   float64
		profile Profile
	}{{0.5, StockProsody}, {0.35, StockEjabberd}, {0.15, Tigase}}
)

func (g *generator) profile(i int) Profile {
	profiles := quietProfiles
	if i < g.reporters {
		profiles = reporterProfiles
	}
	x := g.rng.Float64()
	for _, p := range profiles {
		if x -= p.share; x < 0 {
			return p.profile
		}
	}
	return profiles[0].profile
}

// Links returns the pairs of domains of which at least one claims the link, each pair and the list sorted.
func (f *Federation) Links() [][2]string {
	var all [][2]string
	for _, m := range f.Domains {
		for _, p := range m.Peers {
			all = append(all, [2]string{min(m.Name, p.Name), max(m.Name, p.Name)})
		}
	}
	slices.SortFunc(all, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return slices.Compact(all)
}

// Unnamed returns how many unnamed peers all reports count together.
func (f *Federation) Unnamed() int {
	n := 0
	for _, m := range f.Domains {
		n += m.Unnamed
	}
	return n
}

// Reachable returns the domains that a crawler finds from those seeds by following reports that it can fetch, sorted.
// What [ProsodyOld] publishes cannot be fetched, only received.
func (f *Federation) Reachable(seeds ...string) []string {
	byName := make(map[string]*Member, len(f.Domains))
	for i := range f.Domains {
		byName[f.Domains[i].Name] = &f.Domains[i]
	}
	found := make(map[string]bool)
	queue := slices.Clone(seeds)
	for len(queue) > 0 {
		m := byName[queue[0]]
		queue = queue[1:]
		if m == nil || found[m.Name] {
			continue
		}
		found[m.Name] = true
		if m.Profile == ProsodyOld {
			continue
		}
		for _, p := range m.Peers {
			queue = append(queue, p.Name)
		}
	}
	all := make([]string, 0, len(found))
	for name := range found {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// AddNetwork adds all domains of a federation. Each advertises the feature, and those whose profile publishes have published.
func (s *Server) AddNetwork(f *Federation) {
	for _, m := range f.Domains {
		s.AddDomain(Domain{Name: m.Name, Profile: m.Profile, Advertise: true, Report: Report{Peers: m.Peers, Unnamed: m.Unnamed}})
	}
}

// weighted picks numbers with falling weights.
type weighted struct{ sums []float64 }

func weights(n int, exponent float64) weighted {
	w := weighted{make([]float64, n)}
	sum := 0.0
	for i := range w.sums {
		q := float64(i) / float64(n)
		sum += math.Pow(1-q, exponent)
		w.sums[i] = sum
	}
	return w
}

func (w weighted) pick(rng *rand.Rand) int {
	x := rng.Float64() * w.sums[len(w.sums)-1]
	i, _ := slices.BinarySearch(w.sums, x)
	return min(i, len(w.sums)-1)
}
