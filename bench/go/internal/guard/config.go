// Package guard decides about deletions by agents, as the webhook that it is measured against does.
package guard

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"seconder.dev/bench/internal/approval"
)

// Config is the file that stands for what the webhook watches: policies and approvers.
type Config struct {
	Audience  string           `json:"audience"`
	Policies  []PolicyConfig   `json:"policies"`
	Approvers []ApproverConfig `json:"approvers"`
}

// PolicyConfig is the part of a ProtectionPolicy that concerns deletions.
type PolicyConfig struct {
	Name      string `json:"name"`
	Resources []struct {
		Group     string   `json:"group"`
		Resources []string `json:"resources"`
	} `json:"resources"`
	Namespaces []string `json:"namespaces"`
	Required   int      `json:"required"`
	MaxTTL     int64    `json:"maxTTL"` // seconds
	Teams      []string `json:"teams"`
}

// ApproverConfig is an Approver.
type ApproverConfig struct {
	Principal       string   `json:"principal"`
	KubernetesUsers []string `json:"kubernetesUsers"`
	Teams           []string `json:"teams"`
	Keys            []struct {
		SSH      string    `json:"ssh"`
		NotAfter time.Time `json:"notAfter"`
	} `json:"keys"`
}

type place struct{ group, resource, namespace string }

// Guard holds the loaded snapshot.
type Guard struct {
	audience string
	policies map[place][]*PolicyConfig
	verifier *approval.Verifier
}

// Load reads the file at path. remember: keep verified approvals in a cache.
func Load(path string, remember bool) (*Guard, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var config Config
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	guard := &Guard{audience: config.Audience, policies: make(map[place][]*PolicyConfig)}
	for i := range config.Policies {
		policy := &config.Policies[i]
		namespaces := policy.Namespaces
		if len(namespaces) == 0 {
			namespaces = []string{""}
		}
		for _, group := range policy.Resources {
			for _, resource := range group.Resources {
				for _, namespace := range namespaces {
					at := place{group.Group, resource, namespace}
					guard.policies[at] = append(guard.policies[at], policy)
				}
			}
		}
	}
	keys := make(map[string]*approval.Key)
	for _, each := range config.Approvers {
		person := &approval.Approver{Principal: each.Principal, Users: each.KubernetesUsers, Teams: each.Teams}
		for _, key := range each.Keys {
			blob, public, err := approval.ParseKey(key.SSH)
			if err != nil {
				return nil, fmt.Errorf("approver %s: %w", each.Principal, err)
			}
			keys[blob] = &approval.Key{Approver: person, Public: public, NotAfter: key.NotAfter}
		}
	}
	guard.verifier = approval.NewVerifier(keys, remember)
	return guard, nil
}
