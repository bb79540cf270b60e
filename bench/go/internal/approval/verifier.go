package approval

import (
	"crypto/ed25519"
	"slices"
	"sync"
	"time"
)

const (
	maxBytes  = 8192
	maxTTL    = 3600
	clockSkew = 60
	maxCached = 65536
)

// Approver is a registered person.
type Approver struct {
	Principal string
	Users     []string
	Teams     []string
}

// Key is one registered key of an approver. A zero NotAfter never ends.
type Key struct {
	Approver *Approver
	Public   ed25519.PublicKey
	NotAfter time.Time
}

// Wanted is the question that an approval has to answer.
type Wanted struct {
	Audience, Group, Resource, Namespace, Name, UID, Action string
	Requester, Agent                                        string
	Operators                                               []string
}

// Verified is an approval whose signature and form are in order.
type Verified struct {
	Statement *Statement
	Key       *Key
}

// Verifier looks signatures up among the registered keys (by raw blob), and remembers good ones when told to.
type Verifier struct {
	keys   map[string]*Key
	mu     sync.RWMutex
	cached map[string]Verified // nil: verify always
}

// NewVerifier builds a verifier over the keys.
func NewVerifier(keys map[string]*Key, remember bool) *Verifier {
	verifier := &Verifier{keys: keys}
	if remember {
		verifier.cached = make(map[string]Verified)
	}
	return verifier
}

// Verify checks everything about an annotation's value that does not depend on a policy.
func (v *Verifier) Verify(value string, wanted *Wanted, now time.Time) (Verified, error) {
	if len(value) > maxBytes {
		return Verified{}, reject("ApprovalMalformed", "the approval is too large")
	}
	verified, seen := v.recall(value)
	if !seen {
		var err error
		if verified, err = v.authenticate(value); err != nil {
			return Verified{}, err
		}
		v.remember(value, verified)
	}
	return verified, claims(verified, wanted, now)
}

// LongerThan says whether an approval lasts more than so many seconds.
func (v Verified) LongerThan(seconds int64) bool { return v.Statement.Exp-v.Statement.Iat > seconds }

func (v *Verifier) authenticate(value string) (Verified, error) {
	signed, armor, err := split(value)
	if err != nil {
		return Verified{}, err
	}
	envelope, err := parseEnvelope(armor)
	if err != nil {
		return Verified{}, err
	}
	key, known := v.keys[envelope.keyBlob]
	if !known {
		return Verified{}, reject("ApproverUnknown", "no registered key made the signature")
	}
	if err := envelope.verify(key.Public, signed); err != nil {
		return Verified{}, err
	}
	statement, err := parseStatement(signed)
	if err != nil {
		return Verified{}, err
	}
	return Verified{Statement: statement, Key: key}, nil
}

func (v *Verifier) recall(value string) (Verified, bool) {
	if v.cached == nil {
		return Verified{}, false
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	verified, found := v.cached[value]
	return verified, found
}

func (v *Verifier) remember(value string, verified Verified) {
	if v.cached == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.cached) >= maxCached {
		clear(v.cached)
	}
	v.cached[value] = verified
}

// claims are compared on every request, remembered or not.
func claims(verified Verified, wanted *Wanted, now time.Time) error {
	statement, approver := verified.Statement, verified.Key.Approver
	detail, seconds := &statement.Details[0], now.Unix()
	if !verified.Key.NotAfter.IsZero() && !now.Before(verified.Key.NotAfter) {
		return reject("KeyRevoked", "the key that signed is no longer valid")
	}
	if statement.Iss != approver.Principal {
		return reject("ApproverUnknown", "the issuer is not the owner of the key that signed")
	}
	if seconds >= statement.Exp {
		return reject("ApprovalExpired", "the approval is over")
	}
	if statement.Iat-clockSkew > seconds {
		return reject("ApprovalNotYetValid", "the approval is not valid yet")
	}
	if verified.LongerThan(maxTTL) {
		return reject("LifetimeTooLong", "the approval lasts longer than an hour")
	}
	if statement.Aud != wanted.Audience {
		return reject("WrongCluster", "the approval is for another cluster")
	}
	if detail.Identifier != wanted.UID || detail.Group != wanted.Group || detail.Resource != wanted.Resource ||
		detail.Name != wanted.Name || detail.Namespace != wanted.Namespace {
		return reject("WrongObject", "the approval is for another object")
	}
	if !slices.Contains(detail.Actions, wanted.Action) {
		return reject("WrongAction", "the approval is for another action")
	}
	agent := ""
	if statement.Act != nil {
		agent = statement.Act.Sub
	}
	if statement.Sub != wanted.Requester || agent != wanted.Agent {
		return reject("WrongRequester", "the approval is for another requester")
	}
	barred := append([]string{wanted.Requester}, wanted.Operators...)
	for _, user := range append([]string{approver.Principal}, approver.Users...) {
		if slices.Contains(barred, user) || user == statement.Sub || agent != "" && user == agent {
			return reject("SelfApproval", "nobody approves what they asked for themselves")
		}
	}
	return nil
}
