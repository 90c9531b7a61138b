package edition

import (
	"container/list"
	"sync"
)

// Bounds of what an edition remembers of documents that depend on a visitor's input.
const (
	maxRecent = 256     // documents
	maxBytes  = 8 << 20 // bytes of all of them together, those that were made for compression included
)

// recent are documents that were asked for lately. There is no end of what visitors can ask for, but they ask for the same:
// a neighbourhood that somebody has linked to, the first page of a list.
type recent struct {
	mu    sync.Mutex
	byKey map[string]*list.Element
	order list.List // of *remembered, the latest first
	size  int
}

type remembered struct {
	key  string
	doc  *Document
	size int
}

// Recent returns the document of that name, which is made anew where it was not asked for lately.
// Its compression is a quick one. A document that can't be made is not remembered.
func (e *Edition) Recent(key string, make func() (*Document, error)) (*Document, error) {
	if doc := e.recent.find(key); doc != nil {
		return doc, nil
	}
	doc, err := make()
	if err != nil {
		return nil, err
	}
	e.recent.add(key, doc.Brief())
	return doc, nil
}

func (r *recent) find(key string) *Document {
	r.mu.Lock()
	defer r.mu.Unlock()
	el, ok := r.byKey[key]
	if !ok {
		return nil
	}
	r.order.MoveToFront(el)
	return el.Value.(*remembered).doc
}

// add remembers a document, and forgets those that were not asked for the longest.
func (r *recent) add(key string, doc *Document) {
	// A compressed form is no longer than the document, and there may be two of them.
	size := int(codings)*len(doc.Bytes()) + len(key)
	if size > maxBytes/8 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.byKey[key]; ok {
		return
	}
	if r.byKey == nil {
		r.byKey = make(map[string]*list.Element)
	}
	r.byKey[key] = r.order.PushFront(&remembered{key, doc, size})
	for r.size += size; r.size > maxBytes || len(r.byKey) > maxRecent; {
		old := r.order.Remove(r.order.Back()).(*remembered)
		delete(r.byKey, old.key)
		r.size -= old.size
	}
}

// clear forgets everything.
func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byKey, r.size = nil, 0
	r.order.Init()
}
