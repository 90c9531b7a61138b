// Package chat answers questions about the network that people ask in a chat, in a few plain words.
//
// It knows nothing of XMPP: package [github.com/xmppgraph/xmppgraph/examples/internal/talk] carries words to it and back.
//
// A domain is named only if it is in the network's snapshot, which holds no name without a live verdict.
// Any other name gets the same answer, whether it does not exist, may not be named, or was never heard of.
// Not even the asker's own word is repeated: in a room that would put it into the bot's mouth.
package chat

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
)

// Network is what the bot knows. A *graph.Graph is one.
type Network interface {
	// Snapshot returns the network as of now. It is never nil.
	Snapshot() *graph.Snapshot
	// Watch yields what changes until ctx ends.
	Watch(ctx context.Context, views ...graph.View) iter.Seq[graph.Changes]
}

// Asker is who says something.
type Asker struct {
	// Place is where answers and news go: the address of a room, or that of a person who talks to the bot alone.
	Place string
	// Who is the asker's name in a room, empty for a person who talks to the bot alone.
	Who string
	// Site is what all who could be made up together have in common: the domain of a person's address, or the room.
	Site string
}

// Bot turns what people say into answers.
//
// Only Network is required. The fields must not change after the first call; all methods may be called at the same time.
type Bot struct {
	// Network is what is known.
	Network Network
	// Source says where that comes from, as a sentence for the help; empty leaves it out.
	Source string
	// Now is the clock, nil means time.Now.
	Now func() time.Time

	limits  limiter
	watches watches
}

// MaxSaid is how much of what is said is read, in bytes; nobody needs more for a question.
const MaxSaid = 1024

// Answer returns what to say to the asker, empty for nothing.
//
// One command is taken from what is said, and the rest ignored.
// Who asks too often is told so once, and gets no answer until a while has passed.
func (b *Bot) Answer(from Asker, said string) string {
	if answer, ok := b.limits.admit(from, b.now()); !ok {
		return answer
	}
	if len(said) > MaxSaid {
		return tooLong
	}
	words := strings.Fields(clean(said))
	if len(words) == 0 {
		return unknownCommand
	}
	for _, c := range commands {
		if rest, ok := c.match(words); ok {
			return c.run(b, from, rest)
		}
	}
	return unknownCommand
}

// Knows reports whether what is said begins with one of the bot's commands.
func (b *Bot) Knows(said string) bool {
	if len(said) > MaxSaid {
		return false
	}
	words := strings.Fields(clean(said))
	for _, c := range commands {
		if _, ok := c.match(words); ok {
			return true
		}
	}
	return false
}

func (b *Bot) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}
