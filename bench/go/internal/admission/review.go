// Package admission holds the part of admission.k8s.io/v1 that the handler reads and writes.
package admission

import (
	"bytes"
	"encoding/json"
)

// Review is an AdmissionReview: the question in Request, the answer in Response.
type Review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *Request  `json:"request,omitempty"`
	Response   *Response `json:"response,omitempty"`
}

// Request is an AdmissionRequest.
type Request struct {
	UID                string               `json:"uid"`
	Kind               GroupVersionKind     `json:"kind"`
	Resource           GroupVersionResource `json:"resource"`
	SubResource        string               `json:"subResource"`
	RequestKind        GroupVersionKind     `json:"requestKind"`
	RequestResource    GroupVersionResource `json:"requestResource"`
	RequestSubResource string               `json:"requestSubResource"`
	Name               string               `json:"name"`
	Namespace          string               `json:"namespace"`
	Operation          string               `json:"operation"`
	UserInfo           UserInfo             `json:"userInfo"`
	Object             RawExtension         `json:"object"`
	OldObject          RawExtension         `json:"oldObject"`
	DryRun             bool                 `json:"dryRun"`
}

// GroupVersionKind names a kind.
type GroupVersionKind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

// GroupVersionResource names a resource by its plural.
type GroupVersionResource struct {
	Group    string `json:"group"`
	Version  string `json:"version"`
	Resource string `json:"resource"`
}

// UserInfo is what the API server authenticated.
type UserInfo struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra"`
}

// RawExtension keeps an object as it came, as the type of that name in k8s.io/apimachinery does: a review's objects are
// decoded in a second step, when their kind is known.
type RawExtension struct{ Raw []byte }

// UnmarshalJSON copies the object's text.
func (r *RawExtension) UnmarshalJSON(text []byte) error {
	if !bytes.Equal(text, []byte("null")) {
		r.Raw = append(r.Raw[:0], text...)
	}
	return nil
}

// Decode reads the object's identity and metadata; nil when there is no object.
func (r *RawExtension) Decode() (*Object, error) {
	if r.Raw == nil {
		return nil, nil
	}
	object := new(Object)
	return object, json.Unmarshal(r.Raw, object)
}

// Object is any object's identity and metadata.
type Object struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   ObjectMeta `json:"metadata"`
}

// ObjectMeta is the metadata that decisions rest on.
type ObjectMeta struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	UID         string            `json:"uid"`
	Annotations map[string]string `json:"annotations"`
}

// Response is an AdmissionResponse.
type Response struct {
	UID              string            `json:"uid"`
	Allowed          bool              `json:"allowed"`
	Status           *Status           `json:"status,omitempty"`
	AuditAnnotations map[string]string `json:"auditAnnotations,omitempty"`
}

// Status is the meta/v1 Status of a refusal.
type Status struct {
	Status  string   `json:"status"`
	Message string   `json:"message"`
	Reason  string   `json:"reason"`
	Code    int      `json:"code"`
	Details *Details `json:"details,omitempty"`
}

// Details carries the reason codes for programs.
type Details struct {
	Name   string  `json:"name,omitempty"`
	Group  string  `json:"group,omitempty"`
	Kind   string  `json:"kind,omitempty"`
	UID    string  `json:"uid,omitempty"`
	Causes []Cause `json:"causes,omitempty"`
}

// Cause is one reason code.
type Cause struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}
