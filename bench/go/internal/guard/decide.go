package guard

import (
	"errors"
	"slices"
	"strings"
	"time"

	"seconder.dev/bench/internal/admission"
	"seconder.dev/bench/internal/approval"
)

const (
	agentGroup       = "seconder.dev:agents"
	agentNamespace   = "seconder-agents"
	agentKey         = "seconder.dev/agent"
	operatorKey      = "seconder.dev/operator"
	approvalPrefix   = "approval.seconder.dev/"
	serviceAccount   = "system:serviceaccount:"
	domain           = "seconder.dev"
	ownNamespace     = "seconder-system"
	maxApprovals     = 8
	actionDelete     = "Delete"
	reasonNotCovered = "NotCovered"
	reasonApproved   = "Approved"
)

var tooLong = &approval.Rejected{Reason: "LifetimeTooLong", Detail: "the approval lasts longer than the policy lets it"}

// Decision is the outcome for one request.
type Decision struct {
	Allowed   bool
	Reason    string
	Agent     string
	Approvers []string
	Tokens    []string // jti of the approvals that counted
	Policies  []string
	Failures  []*approval.Rejected
	Required  int
	UID       string // of the object
}

// Decide answers a request about the stored object, which is nil where the request has none.
func (g *Guard) Decide(request *admission.Request, stored *admission.Object, now time.Time) *Decision {
	user := &request.UserInfo
	agent, tagged := agentOf(user)
	if tagged && (request.Resource.Group == domain || request.Namespace == ownNamespace) {
		return &Decision{Reason: "ProtectedConfiguration", Agent: agent, Required: 1}
	}
	if stored != nil {
		_, marked := stored.Metadata.Annotations[agentKey]
		tagged = tagged || marked
	}
	if !tagged || request.Operation != "DELETE" || request.SubResource != "" {
		return &Decision{Allowed: true, Reason: reasonNotCovered, Agent: agent}
	}
	namespace := request.Namespace
	covering := g.policies[place{request.Resource.Group, request.Resource.Resource, namespace}]
	if namespace != "" {
		covering = append(slices.Clip(covering), g.policies[place{request.Resource.Group, request.Resource.Resource, ""}]...)
	}
	if len(covering) == 0 {
		return &Decision{Allowed: true, Reason: reasonNotCovered, Agent: agent}
	}
	if stored == nil {
		return &Decision{Reason: "RequestMalformed", Agent: agent}
	}
	object := &stored.Metadata
	wanted := &approval.Wanted{
		Audience: g.audience, Group: request.Resource.Group, Resource: request.Resource.Resource,
		Namespace: object.Namespace, Name: object.Name, UID: object.UID, Action: actionDelete,
		Requester: user.Username, Agent: agent, Operators: user.Extra[operatorKey],
	}
	good, failures := g.approvals(object.Annotations, wanted, now)
	decision := &Decision{Agent: agent, Failures: failures, UID: object.UID, Allowed: true, Reason: reasonApproved}
	for _, policy := range covering {
		decision.Policies = append(decision.Policies, policy.Name)
		decision.Required = max(decision.Required, policy.Required)
		issuers := count(policy, good, decision)
		if issuers < policy.Required {
			decision.Allowed = false
			decision.Reason = refusal(issuers, decision.Failures)
		}
	}
	return decision
}

func (g *Guard) approvals(annotations map[string]string, wanted *approval.Wanted, now time.Time) ([]approval.Verified, []*approval.Rejected) {
	var good []approval.Verified
	var failures []*approval.Rejected
	for key, value := range annotations {
		if !strings.HasPrefix(key, approvalPrefix) {
			continue
		}
		if len(good)+len(failures) == maxApprovals {
			break
		}
		verified, err := g.verifier.Verify(value, wanted, now)
		var rejected *approval.Rejected
		if errors.As(err, &rejected) {
			failures = append(failures, rejected)
			continue
		}
		good = append(good, verified)
	}
	return good, failures
}

// count gives the number of distinct issuers whom the policy accepts, and notes them.
func count(policy *PolicyConfig, good []approval.Verified, decision *Decision) int {
	issuers := make([]string, 0, len(good))
	for _, each := range good {
		statement := each.Statement
		if each.LongerThan(policy.MaxTTL) {
			decision.Failures = append(decision.Failures, tooLong)
			continue
		}
		allowed := len(policy.Teams) == 0 ||
			slices.ContainsFunc(policy.Teams, func(team string) bool { return slices.Contains(each.Key.Approver.Teams, team) })
		if allowed && !slices.Contains(issuers, statement.Iss) {
			issuers = append(issuers, statement.Iss)
			if !slices.Contains(decision.Tokens, statement.Jti) {
				decision.Approvers = append(decision.Approvers, statement.Iss)
				decision.Tokens = append(decision.Tokens, statement.Jti)
			}
		}
	}
	return len(issuers)
}

func refusal(issuers int, failures []*approval.Rejected) string {
	switch {
	case issuers > 0:
		return "QuorumNotReached"
	case len(failures) > 0:
		return failures[0].Reason
	default:
		return "ApprovalMissing"
	}
}

// agentOf gives the agent's name, and whether the identity is tagged as an agent's at all.
func agentOf(user *admission.UserInfo) (string, bool) {
	if names := user.Extra[agentKey]; len(names) > 0 {
		return names[0], true
	}
	if account, found := strings.CutPrefix(user.Username, serviceAccount); found {
		if namespace, name, _ := strings.Cut(account, ":"); namespace == agentNamespace {
			return name, true
		}
	}
	return "", slices.Contains(user.Groups, agentGroup)
}
