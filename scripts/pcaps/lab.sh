# shellcheck shell=bash
# A small network of namespaces for captures: one router, hosts around it, everything removed at
# the end. Sourced by make-pcaps.
#
# The router plays the VPC: each host hangs on its own veth, has a /32 (or /128) address and sends
# everything to the router, as an instance does. Its MAC is the one of Apus's virtual router.

readonly router_mac=02:61:70:75:73:01
run=$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
tmp=$(mktemp -d)
: >"$tmp/log"
namespaces=()
children=()
captures=()

say() { printf '%s\n' "make-pcaps: $*" >&2; }

# Runs a command in a namespace of the lab, at most 30 seconds, without the caller's environment.
in_ns() {
  local name=$1
  shift
  timeout --kill-after=2 30 ip netns exec "apus-$name-$run" \
    env -i PATH="$PATH" HOME="$tmp" LC_ALL=C "$@"
}

# The same in the background, until the lab goes.
start() {
  local name=$1
  shift
  timeout --kill-after=2 90 ip netns exec "apus-$name-$run" \
    env -i PATH="$PATH" HOME="$tmp" LC_ALL=C "$@" >>"$tmp/log" 2>&1 </dev/null &
  children+=("$!")
}

# new_ns NAME: a namespace whose kernel says nothing on its own accord.
new_ns() {
  ip netns add "apus-$1-$run"
  namespaces+=("apus-$1-$run")
  in_ns "$1" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0 \
    net.ipv6.conf.default.router_solicitations=0 \
    net.ipv6.conf.default.disable_ipv6="$((1 - lab_v6))"
  in_ns "$1" ip link set lo up
}

# cable NS IF MAC NS IF MAC: a veth pair that computes every checksum and merges no segments.
cable() {
  ip link add "$2" address "$3" netns "apus-$1-$run" type veth \
    peer name "$5" address "$6" netns "apus-$4-$run"
  local end
  for end in "$1 $2" "$4 $5"; do
    # shellcheck disable=SC2086
    set -- $end
    in_ns "$1" ethtool -K "$2" tx off rx off tso off gso off gro off sg off >/dev/null 2>&1
    in_ns "$1" ip link set "$2" up
  done
}

# lab v4|v6: a router alone.
lab() {
  lab_v6=0
  if [ "$1" = v6 ]; then lab_v6=1; fi
  new_ns router
  in_ns router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
  in_ns router sysctl -qw net.ipv4.icmp_ratelimit=0
  if [ "$lab_v6" = 1 ]; then in_ns router sysctl -qw net.ipv6.conf.all.forwarding=1; fi
}

# host NAME MAC V4 GATEWAY4 [V6 GATEWAY6 [ROUTER-NAMESPACE]]: "-" for no address of a family.
host() {
  local name=$1 mac=$2 v4=$3 gw4=$4 v6=${5:--} gw6=${6:--} via=${7:-router}
  new_ns "$name"
  cable "$name" eth0 "$mac" "$via" "$name" "$router_mac"
  if [ "$v4" != - ]; then
    in_ns "$name" ip addr add "$v4/32" dev eth0
    in_ns "$name" ip neigh add "$gw4" lladdr "$router_mac" dev eth0 nud permanent
    in_ns "$name" ip route add default via "$gw4" dev eth0 onlink
    in_ns "$via" ip addr add "$gw4/32" dev "$name"
    in_ns "$via" ip neigh add "$v4" lladdr "$mac" dev "$name" nud permanent
    in_ns "$via" ip route add "$v4/32" dev "$name" src "$gw4"
  fi
  if [ "$v6" != - ]; then
    in_ns "$name" ip -6 addr add "$v6/128" dev eth0 nodad
    in_ns "$name" ip -6 neigh add "$gw6" lladdr "$router_mac" dev eth0 nud permanent
    in_ns "$name" ip -6 route add default via "$gw6" dev eth0 onlink
    in_ns "$via" ip -6 addr add "$gw6/128" dev "$name" nodad
    in_ns "$via" ip -6 neigh add "$v6" lladdr "$mac" dev "$name" nud permanent
    in_ns "$via" ip -6 route add "$v6/128" dev "$name" src "$gw6"
  fi
}

# wait_port NS t|u ADDRESS:PORT: until a program listens there.
wait_port() {
  local name=$1 kind=$2 socket=$3 try
  for try in $(seq 50); do
    if in_ns "$name" ss -Hln"$kind" | grep -Fq "$socket "; then return 0; fi
    sleep 0.1
  done
  say "nothing listens at $socket of $name after $try tries"
  return 1
}

# capture NS FILE ARGUMENT...: starts tcpdump and waits until it captures.
capture() {
  local name=$1 file=$2 try
  shift 2
  ip netns exec "apus-$name-$run" tcpdump -n -U --immediate-mode -Z root -w "$file" "$@" \
    2>"$tmp/capture.log" >/dev/null </dev/null &
  captures+=("$!")
  for try in $(seq 50); do
    if grep -q 'listening on' "$tmp/capture.log"; then
      sleep 0.3
      return 0
    fi
    sleep 0.1
  done
  say "the capture did not start after $try tries: $(cat "$tmp/capture.log")"
  return 1
}

# capture_each NS INTERFACE...: what comes in, interface by interface; finish_each merges it.
capture_each() {
  local name=$1 interface
  shift
  for interface in "$@"; do
    capture "$name" "$tmp/each-$interface.pcap" -Q in -i "$interface"
  done
}

# finish: ends the captures.
finish() {
  local pid
  sleep 0.7
  for pid in "${captures[@]}"; do kill -INT "$pid"; done
  for pid in "${captures[@]}"; do wait "$pid" || true; done
  captures=()
}

# finish_each FILE INTERFACE...: one pcapng with an interface a place, in order of time.
finish_each() {
  local file=$1
  shift
  finish
  mergecap -F pcapng -I none -w "$file" "${@/#/$tmp/each-}"
}

# Ends every process that was started and removes every namespace.
lab_down() {
  local pid name
  for pid in "${captures[@]}" "${children[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  for name in "${namespaces[@]}"; do
    for pid in $(ip netns pids "$name" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
  done
  for pid in "${captures[@]}" "${children[@]}"; do
    wait "$pid" 2>/dev/null || true
  done
  for name in "${namespaces[@]}"; do ip netns del "$name" 2>/dev/null || true; done
  children=()
  namespaces=()
  captures=()
}
