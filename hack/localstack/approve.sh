# Approves the deletion of one namespaced object, with kubectl and ssh-keygen alone.
# seconder_approve KEY PRINCIPAL REQUESTER AGENT REASON RESOURCE[.GROUP] NAME NAMESPACE
seconder_approve() {
  now=$(date +%s) jti=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n') plural=${6%%.*} group=${6#"${6%%.*}"}
  aud=$(kubectl get namespace kube-system -o 'jsonpath=urn:uuid:{.metadata.uid}') || return
  uid=$(kubectl get "$6" "$7" -n "$8" -o 'jsonpath={.metadata.uid}') || return
  line=$(printf '{"act":{"sub":"%s"},"aud":"%s","authorization_details":[{"actions":["Delete"],"group":"%s","identifier":"%s","name":"%s","namespace":"%s","resource":"%s","type":"https://seconder.dev/approval/v1"}],"exp":%d,"iat":%d,"iss":"%s","jti":"%s","reason":"%s","sub":"%s"}' \
    "$4" "$aud" "${group#.}" "$uid" "$7" "$8" "$plural" $((now + 900)) "$now" "$2" "$jti" "$5" "$3")
  signature=$(printf '%s\n' "$line" | ssh-keygen -q -Y sign -n k8s-approval@seconder.dev -f "$1") || return
  kubectl annotate "$6" "$7" -n "$8" "approval.seconder.dev/${2%%@*}=$line
$signature"
}
