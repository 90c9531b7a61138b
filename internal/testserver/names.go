package testserver

import (
	"math/rand/v2"
	"strings"
)

// The parts of fictitious domain names. All of them end in a domain that RFC 2606 and RFC 6761 reserve.
var (
	nameHosts = strings.Fields("- - - - - - - chat. im. xmpp. jabber. talk.")
	nameFirst = strings.Fields("amber brisk calm copper crisp dapper dusty early fern frost gentle glad golden green hazel hidden humble " +
		"indigo ivory jolly kind lively lunar maple mellow misty nimble north old olive opal pale plain quick quiet red rusty sandy silent " +
		"silver small snowy south spry stone sunny swift tall teal velvet vivid warm west wild windy winter young")
	nameSecond = strings.Fields("acorn anchor arbor badger basin beacon birch bridge brook cabin canal cedar cliff clover cobble comet " +
		"cove crane creek dale delta dune elm falcon field finch fjord forge fox garden glen grove harbor haven heath heron hill " +
		"island kite lagoon lantern lark ledge lily linden marsh meadow mill moor moss oak orchard otter owl path pebble pine plaza " +
		"pond quarry raven reef ridge river robin rook sparrow spring summit thistle tower trail vale village willow wren yard")
	nameTails = strings.Fields("example example example test example.net example.org example.com")
)

// domainNames makes that many different names.
func domainNames(seed uint64, n int) []string {
	rng := rand.New(rand.NewPCG(seed, 0x7e57))
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	seen := make(map[string]bool, n)
	names := make([]string, 0, n)
	for len(names) < n {
		name := pick(nameFirst) + "-" + pick(nameSecond)
		if len(names) > 1000 {
			// With more names than pairs of words, numbers tell them apart.
			name += itoa(rng.IntN(10 * n))
		}
		name = strings.TrimPrefix(pick(nameHosts), "-") + name + "." + pick(nameTails)
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
