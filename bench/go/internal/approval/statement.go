package approval

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

const statementType = "https://seconder.dev/approval/v1"

// Statement is the signed claim set. Fields stand in the order of the canonical form (RFC 8785).
type Statement struct {
	Act     *Actor          `json:"act,omitempty"`
	Aud     string          `json:"aud"`
	Details []Authorization `json:"authorization_details"`
	Exp     int64           `json:"exp"`
	Iat     int64           `json:"iat"`
	Iss     string          `json:"iss"`
	Jti     string          `json:"jti"`
	Reason  string          `json:"reason"`
	Sub     string          `json:"sub"`
	Txn     string          `json:"txn,omitempty"`
}

// Actor is the agent behind the requester.
type Actor struct {
	Sub string `json:"sub"`
}

// Authorization is what exactly is approved (RFC 9396).
type Authorization struct {
	Actions    []string `json:"actions"`
	Group      string   `json:"group"`
	Identifier string   `json:"identifier"`
	Impact     *Impact  `json:"impact,omitempty"`
	Name       string   `json:"name"`
	Namespace  string   `json:"namespace,omitempty"`
	Resource   string   `json:"resource"`
	Type       string   `json:"type"`
}

// Impact is what goes down with a namespace.
type Impact struct {
	Counts map[string]int64 `json:"counts"`
	SHA256 string           `json:"sha256"`
}

// parseStatement takes a closed claim set in canonical form only: duplicate and misspelt claims do not survive the
// comparison with the re-encoded value.
func parseStatement(signed string) (*Statement, error) {
	bad := func(detail string) error { return reject("ApprovalMalformed", detail) }
	decoder := json.NewDecoder(strings.NewReader(signed))
	decoder.DisallowUnknownFields()
	statement := new(Statement)
	if err := decoder.Decode(statement); err != nil {
		return nil, bad("the statement is not a JSON object of the known claims")
	}
	var canonical bytes.Buffer
	encoder := json.NewEncoder(&canonical)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(statement); err != nil || canonical.String() != signed {
		return nil, bad("the statement is not in canonical form")
	}
	if len(statement.Details) != 1 {
		return nil, bad("the statement must name exactly one object")
	}
	detail := &statement.Details[0]
	for _, required := range []string{
		statement.Aud, statement.Iss, statement.Jti, statement.Reason, statement.Sub,
		detail.Identifier, detail.Name, detail.Resource, detail.Type,
	} {
		if required == "" {
			return nil, bad("the statement lacks a claim")
		}
	}
	if detail.Type != statementType || len(detail.Actions) == 0 || statement.Act != nil && statement.Act.Sub == "" {
		return nil, bad("the statement is of another kind")
	}
	if utf8.RuneCountInString(statement.Reason) > 256 || strings.ContainsFunc(statement.Reason, Unprintable) {
		return nil, bad("the statement's reason is too long or not plain text")
	}
	return statement, nil
}

// Unprintable says whether a character could rewrite what a terminal shows.
func Unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029
}
