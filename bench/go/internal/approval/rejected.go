// Package approval verifies signed approvals: the SSHSIG envelope, the statement, and its claims.
package approval

// Rejected says why an approval does not count. Detail holds no text that a client supplied.
type Rejected struct {
	Reason string
	Detail string
}

func (r *Rejected) Error() string { return r.Detail + " (" + r.Reason + ")" }

func reject(reason, detail string) error { return &Rejected{Reason: reason, Detail: detail} }
