package approval

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

const (
	namespace = "k8s-approval@seconder.dev"
	magic     = "SSHSIG"
	armorHead = "-----BEGIN SSH SIGNATURE-----\n"
	armorTail = "-----END SSH SIGNATURE-----"
	keyType   = "ssh-ed25519"
)

// envelope is a parsed SSHSIG (OpenSSH PROTOCOL.sshsig).
type envelope struct {
	keyBlob   string
	hash      string
	signature []byte
}

// split gives the signed bytes (the statement's line with its newline) and the armored signature after it.
func split(value string) (signed, armor string, err error) {
	end := strings.IndexByte(value, '\n')
	if end < 0 || value[0] != '{' {
		return "", "", reject("ApprovalMalformed", "the approval is not a statement followed by its signature")
	}
	return value[:end+1], value[end+1:], nil
}

func parseEnvelope(armor string) (envelope, error) {
	bad := reject("ApprovalMalformed", "the approval's signature is not in OpenSSH's format")
	body, ok := strings.CutPrefix(armor, armorHead)
	if !ok {
		return envelope{}, bad
	}
	body, ok = strings.CutSuffix(strings.TrimSuffix(body, "\n"), armorTail)
	if !ok {
		return envelope{}, bad
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil || len(blob) < len(magic)+4 || string(blob[:len(magic)]) != magic {
		return envelope{}, bad
	}
	blob = blob[len(magic):]
	if binary.BigEndian.Uint32(blob) != 1 {
		return envelope{}, bad
	}
	blob = blob[4:]
	var fields [5][]byte // public key, namespace, reserved, hash algorithm, signature
	for i := range fields {
		if fields[i], blob, ok = cut(blob); !ok {
			return envelope{}, bad
		}
	}
	if len(blob) != 0 || len(fields[2]) != 0 {
		return envelope{}, bad
	}
	if string(fields[1]) != namespace {
		return envelope{}, reject("SignatureInvalid", "the signature was made for another purpose")
	}
	kind, rest, ok := cut(fields[4])
	if !ok || string(kind) != keyType {
		return envelope{}, bad
	}
	signature, rest, ok := cut(rest)
	if !ok || len(rest) != 0 || len(signature) != ed25519.SignatureSize {
		return envelope{}, bad
	}
	return envelope{keyBlob: string(fields[0]), hash: string(fields[3]), signature: signature}, nil
}

// verify checks the signature over the wrapped hash of the signed bytes.
func (e envelope) verify(key ed25519.PublicKey, signed string) error {
	var digest []byte
	switch e.hash {
	case "sha512":
		sum := sha512.Sum512([]byte(signed))
		digest = sum[:]
	case "sha256":
		sum := sha256.Sum256([]byte(signed))
		digest = sum[:]
	default:
		return reject("ApprovalMalformed", "the signature's hash is neither sha256 nor sha512")
	}
	wrapped := make([]byte, 0, 160)
	wrapped = append(wrapped, magic...)
	wrapped = appendString(wrapped, namespace)
	wrapped = appendString(wrapped, "")
	wrapped = appendString(wrapped, e.hash)
	wrapped = appendString(wrapped, string(digest))
	if !ed25519.Verify(key, wrapped, e.signature) {
		return reject("SignatureInvalid", "the signature does not match the statement")
	}
	return nil
}

// ParseKey reads an OpenSSH public key line; it gives the raw blob and the Ed25519 key in it.
func ParseKey(line string) (string, ed25519.PublicKey, error) {
	bad := reject("ApproverUnknown", "not an ssh-ed25519 public key")
	fields := strings.Fields(line)
	if len(fields) < 2 || fields[0] != keyType {
		return "", nil, bad
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return "", nil, bad
	}
	kind, rest, ok := cut(blob)
	if !ok || string(kind) != keyType {
		return "", nil, bad
	}
	key, rest, ok := cut(rest)
	if !ok || len(rest) != 0 || len(key) != ed25519.PublicKeySize {
		return "", nil, bad
	}
	return string(blob), ed25519.PublicKey(key), nil
}

func cut(blob []byte) (field, rest []byte, ok bool) {
	if len(blob) < 4 {
		return nil, nil, false
	}
	size := binary.BigEndian.Uint32(blob)
	if uint64(len(blob)-4) < uint64(size) {
		return nil, nil, false
	}
	return blob[4 : 4+size], blob[4+size:], true
}

func appendString(to []byte, value string) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(len(value)))
	return append(to, value...)
}
