package guard

import (
	"strconv"
	"strings"

	"seconder.dev/bench/internal/admission"
	"seconder.dev/bench/internal/approval"
)

// Respond builds the answer: a refusal is always 403 Forbidden, with a message for people and a cause for programs.
func Respond(request *admission.Request, stored *admission.Object, decision *Decision) *admission.Response {
	response := &admission.Response{
		UID:     request.UID,
		Allowed: decision.Allowed,
		AuditAnnotations: map[string]string{
			"decision": verdict(decision.Allowed),
			"reason":   decision.Reason,
			"policies": strings.Join(decision.Policies, ","),
		},
	}
	if len(decision.Approvers) > 0 {
		response.AuditAnnotations["approvers"] = strings.Join(decision.Approvers, ",")
		response.AuditAnnotations["approvals"] = strings.Join(decision.Tokens, ",")
	}
	if decision.Allowed {
		return response
	}
	causes := []admission.Cause{{Reason: decision.Reason, Message: "needs approval"}}
	for _, failure := range decision.Failures {
		causes = append(causes, admission.Cause{Reason: failure.Reason, Message: failure.Detail})
	}
	response.Status = &admission.Status{
		Status: "Failure", Message: message(request, stored, decision), Reason: "Forbidden", Code: 403,
		Details: &admission.Details{
			Name: request.Name, Group: request.Resource.Group, Kind: request.Resource.Resource, UID: decision.UID, Causes: causes,
		},
	}
	return response
}

func message(request *admission.Request, stored *admission.Object, decision *Decision) string {
	resource := request.Resource.Resource
	if request.Resource.Group != "" {
		resource += "." + request.Resource.Group
	}
	kind := strings.ToLower(request.Kind.Kind)
	if request.Kind.Group != "" {
		kind += "." + request.Kind.Group
	}
	name, path := "", ""
	if stored != nil {
		name, path = clean(stored.Metadata.Name), clean(stored.Metadata.Name)
		if namespace := stored.Metadata.Namespace; namespace != "" {
			path = clean(namespace) + "/" + name
		}
	}
	peers := " peer"
	if decision.Required > 1 {
		peers = " peers"
	}
	requester := clean(request.UserInfo.Username)
	var text strings.Builder
	text.Grow(512)
	text.WriteString("Delete of " + resource + " " + path + " needs approval by " + strconv.Itoa(decision.Required) + peers)
	text.WriteString(" (" + decision.Reason + ")\n")
	text.WriteString("object: " + resource + " " + path + ", uid " + clean(decision.UID) + "\n")
	text.WriteString("requester: " + requester)
	if decision.Agent != "" {
		text.WriteString(" (agent " + clean(decision.Agent) + ")")
	}
	for _, failure := range decision.Failures {
		text.WriteString("\napproval: " + failure.Error())
	}
	text.WriteString("\nAsk an approver: kubectl seconder approve " + kind + "/" + name)
	if request.Namespace != "" {
		text.WriteString(" -n " + clean(request.Namespace))
	}
	text.WriteString(" --requester " + requester)
	return text.String()
}

func clean(text string) string {
	if !strings.ContainsFunc(text, approval.Unprintable) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if approval.Unprintable(r) {
			return -1
		}
		return r
	}, text)
}

func verdict(allowed bool) string {
	if allowed {
		return "allow"
	}
	return "deny"
}
