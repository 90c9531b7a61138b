package testserver

// Fault is a set of ways in which a domain misbehaves.
type Fault uint64

// FaultOptions tunes faults.
type FaultOptions struct{}

func (r *request) misbehave(f Fault, _ FaultOptions, pay []byte, e *stanzaError) error {
	r.reply(pay, e)
	return nil
}
