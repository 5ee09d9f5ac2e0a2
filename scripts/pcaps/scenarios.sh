# shellcheck shell=bash
# One function a capture. Sourced by make-pcaps after lab.sh; $out is the folder to write to.
#
# Addresses are those of the models beside the captures: the last byte of a NIC's MAC is the last
# byte of its IPv4 address.

mac() { printf '02:00:00:00:00:%02x' "$1"; }

# A folder of pages, the same bytes each time.
pages() {
  mkdir -p "$tmp/pages"
  seq -f 'line %04g of the front page' 200 >"$tmp/pages/index.html"
  seq -f 'row %05g' 1500 >"$tmp/pages/table.txt"
}

# web_server NS ADDRESS PORT [tls]
web_server() {
  pages
  cat >"$tmp/serve.py" <<'PYTHON'
import functools, http.server, socket, ssl, sys
address, port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
server = Server((address, port), handler)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PYTHON
  if [ "${4:-}" = tls ]; then certificate; fi
  start "$1" "$python" "$tmp/serve.py" "$2" "$3" "$tmp/pages" ${4:+"$tmp/server.pem"}
  case $2 in
    *:*) wait_port "$1" t "[$2]:$3" ;;
    *) wait_port "$1" t "$2:$3" ;;
  esac
}

certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -subj /CN=www.example.internal -keyout "$tmp/key.pem" -out "$tmp/cert.pem" >>"$tmp/log" 2>&1
  cat "$tmp/key.pem" "$tmp/cert.pem" >"$tmp/server.pem"
}

# dns_server NS ADDRESS
dns_server() {
  local text
  text=$(seq -s ' ' -f 'part %02g' 28)
  local -a big=()
  for part in $(seq 12); do big+=(--txt-record="big.example.internal,$part $text"); done
  start "$1" dnsmasq -k --conf-file=/dev/null --user=root --pid-file= --no-hosts --no-resolv \
    --bind-interfaces --listen-address="$2" --edns-packet-max=4096 \
    --host-record=www.example.internal,10.0.1.10,fd00:10:0:1::a \
    --host-record=db.example.internal,10.0.2.20 "${big[@]}"
  wait_port "$1" u "$2:53"
}

# The internet side of the web tier: a customer and a stranger.
internet_hosts() {
  host customer 02:00:00:00:64:07 198.51.100.7 198.51.100.1
  host stranger 02:00:00:00:64:42 198.51.100.66 198.51.100.1
}

scenario_web() {
  lab v4
  host web "$(mac 10)" 10.0.1.10 10.0.1.1
  host db "$(mac 20)" 10.0.2.20 10.0.2.1
  host dns "$(mac 53)" 10.0.2.53 10.0.2.1
  internet_hosts
  in_ns router ip route add blackhole 203.0.113.99/32
  web_server web 10.0.1.10 80
  web_server web 10.0.1.10 443 tls
  dns_server dns 10.0.2.53
  start db openssl s_server -accept 10.0.2.20:5432 -cert "$tmp/cert.pem" -key "$tmp/key.pem" -rev
  wait_port db t 10.0.2.20:5432
  capture web "$out/web.pcap" -i eth0
  # A customer reads two pages, one in clear and one over TLS, and tries a page that is not there.
  in_ns customer curl -s -o /dev/null http://10.0.1.10/
  in_ns customer curl -sk -o /dev/null https://10.0.1.10/table.txt
  in_ns customer curl -s -o /dev/null http://10.0.1.10/missing
  # The web server looks up its database and talks to it.
  in_ns web dig +tries=1 @10.0.2.53 db.example.internal A >>"$tmp/log"
  in_ns web dig +tries=1 @10.0.2.53 www.example.internal AAAA >>"$tmp/log"
  { printf 'select 1\n'; sleep 1; } |
    in_ns web openssl s_client -connect 10.0.2.20:5432 >>"$tmp/log" 2>&1 || true
  in_ns web ping -q -c 2 -i 0.3 10.0.2.20 >>"$tmp/log"
  # A stranger pings and scans it; something on it calls home.
  in_ns stranger ping -q -c 2 -i 0.3 10.0.1.10 >>"$tmp/log"
  in_ns stranger nmap -n -Pn -sS -r --max-retries 0 -T4 \
    -p 21-23,25,80,443,3306,3389,5432,8080 10.0.1.10 >>"$tmp/log"
  in_ns web curl -s --connect-timeout 2 http://203.0.113.99:4444/ >>"$tmp/log" || true
  finish
}

scenario_dns() {
  lab v4
  host app "$(mac 10)" 10.0.1.10 10.0.1.1
  host dns "$(mac 53)" 10.0.2.53 10.0.2.1
  host outside 02:00:00:00:64:35 198.51.100.53 198.51.100.1
  dns_server dns 10.0.2.53
  dns_server outside 198.51.100.53
  capture app "$out/dns.pcap" -i eth0
  local type
  for type in A AAAA MX; do
    in_ns app dig +tries=1 @10.0.2.53 www.example.internal $type >>"$tmp/log"
  done
  in_ns app dig +tries=1 @10.0.2.53 nowhere.example.internal A >>"$tmp/log"
  # An answer of several fragments, the same cut to one datagram, and then by TCP.
  in_ns app dig +tries=1 +ignore +bufsize=4096 @10.0.2.53 big.example.internal TXT >>"$tmp/log"
  in_ns app dig +tries=1 +ignore +bufsize=512 @10.0.2.53 big.example.internal TXT >>"$tmp/log"
  in_ns app dig +tries=1 +tcp @10.0.2.53 big.example.internal TXT >>"$tmp/log"
  # A resolver outside, which the model does not allow.
  in_ns app dig +tries=1 @198.51.100.53 db.example.internal A >>"$tmp/log"
  in_ns app dig +tries=1 +tcp @198.51.100.53 db.example.internal A >>"$tmp/log"
  finish
}

# Dropbear with a key for the run; its users' home is a mount that only the namespace sees.
ssh_server() {
  mkdir -p "$tmp/.ssh"
  rm -f "$tmp/host.key" "$tmp/user.key"
  dropbearkey -t ed25519 -f "$tmp/host.key" >>"$tmp/log" 2>&1
  dropbearkey -t ed25519 -f "$tmp/user.key" 2>>"$tmp/log" | grep '^ssh-' \
    >"$tmp/.ssh/authorized_keys"
  chmod 700 "$tmp" "$tmp/.ssh"
  start "$1" sh -c \
    "mount --bind '$tmp' /root && exec dropbear -F -E -s -P '' -p 22 -r '$tmp/host.key'"
  wait_port "$1" t 0.0.0.0:22
}

scenario_ssh() {
  lab v4
  host bastion "$(mac 10)" 10.0.1.10 10.0.1.1
  host app "$(mac 30)" 10.0.1.30 10.0.1.1
  host db "$(mac 20)" 10.0.2.20 10.0.2.1
  ssh_server db
  # On the router, as packets come in: each packet once, with its sender's MAC, on three interfaces.
  capture_each router bastion app db
  in_ns bastion dbclient -y -y -T -i "$tmp/user.key" root@10.0.2.20 seq 800 >>"$tmp/log" 2>&1
  in_ns app dbclient -y -y -T -i "$tmp/user.key" root@10.0.2.20 seq 8 >>"$tmp/log" 2>&1 || true
  in_ns bastion curl -s --connect-timeout 2 http://10.0.2.20:8080/ >>"$tmp/log" || true
  finish_each "$out/ssh.pcapng" bastion.pcap app.pcap db.pcap
}

scenario_iperf() {
  lab v4
  host sender "$(mac 10)" 10.0.1.10 10.0.1.1
  host receiver "$(mac 20)" 10.0.2.20 10.0.2.1
  start receiver iperf3 -s -B 10.0.2.20
  wait_port receiver t 10.0.2.20:5201
  # Headers are enough: 96 bytes hold Ethernet, IPv4 and TCP with all its options.
  capture sender "$out/iperf.pcap" -s 96 -i eth0
  in_ns sender iperf3 -c 10.0.2.20 -n 400K -M 1400 >>"$tmp/log"
  in_ns sender iperf3 -c 10.0.2.20 -u -b 4M -l 500 -n 250K >>"$tmp/log"
  in_ns sender iperf3 -c 10.0.2.20 -R -n 100K >>"$tmp/log"
  finish
}

dual_stack() {
  lab v6
  host web "$(mac 10)" 10.0.1.10 10.0.1.1 fd00:10:0:1::a fd00:10:0:1::1
  host db "$(mac 20)" 10.0.2.20 10.0.2.1 fd00:10:0:2::14 fd00:10:0:2::1
  host app "$(mac 30)" 10.0.1.30 10.0.1.1 fd00:10:0:1::1e fd00:10:0:1::1
  sleep 2.5 # multicast listener reports of the new links pass
}

scenario_ping() {
  dual_stack
  # "any" gives Linux cooked packets (version 2): the link layer that has no destination MAC.
  capture router "$out/ping.pcap" --time-stamp-precision=nano -i any -Q in
  local target
  for target in 10.0.2.20 fd00:10:0:2::14; do
    in_ns web ping -q -c 3 -i 0.3 "$target" >>"$tmp/log"
    in_ns app ping -q -c 3 -i 0.3 "$target" >>"$tmp/log"
    in_ns web ping -q -c 1 -s 1472 "$target" >>"$tmp/log"
  done
  in_ns db ping -q -c 2 -i 0.3 10.0.1.10 >>"$tmp/log"
  # An address that nobody has: the router says so.
  in_ns web ping -q -c 1 -W 1 10.0.2.99 >>"$tmp/log" || true
  finish
}

# middle V4 V6: a second router, "core", behind the first, and the routes that lead through it.
middle() {
  new_ns core
  in_ns core sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  in_ns core sysctl -qw net.ipv4.icmp_ratelimit=0
  cable router wan 02:00:00:00:63:01 core lan 02:00:00:00:63:02
  in_ns router ip addr add 198.51.100.1/30 dev wan
  in_ns core ip addr add 198.51.100.2/30 dev lan
  in_ns router ip -6 addr add 2001:db8:63::1/64 dev wan nodad
  in_ns core ip -6 addr add 2001:db8:63::2/64 dev lan nodad
  in_ns router ip route add "$1" via 198.51.100.2
  in_ns core ip route add 10.0.0.0/16 via 198.51.100.1
  in_ns router ip -6 route add "$2" via 2001:db8:63::2
  in_ns core ip -6 route add fd00:10::/56 via 2001:db8:63::1
}

scenario_traceroute() {
  lab v6
  host web "$(mac 10)" 10.0.1.10 10.0.1.1 fd00:10:0:1::a fd00:10:0:1::1
  middle default default
  host target 02:00:00:00:64:07 203.0.113.7 203.0.113.1 2001:db8:64::7 2001:db8:64::1 core
  web_server target 203.0.113.7 80
  sleep 2.5
  capture web "$out/traceroute.pcap" --time-stamp-precision=nano -i eth0 \
    'not (ip6 and ip6[6] = 0)'
  in_ns web traceroute -n -q 1 -m 5 -N 1 203.0.113.7 >>"$tmp/log"
  in_ns web traceroute -n -q 1 -m 5 -N 1 -I 203.0.113.7 >>"$tmp/log"
  in_ns web traceroute -n -q 1 -m 5 -N 1 -T -p 80 203.0.113.7 >>"$tmp/log"
  in_ns web traceroute -n -q 1 -m 5 -N 1 -T -p 25 203.0.113.7 >>"$tmp/log"
  in_ns web traceroute -6 -n -q 1 -m 5 -N 1 2001:db8:64::7 >>"$tmp/log"
  in_ns web traceroute -6 -n -q 1 -m 5 -N 1 -I 2001:db8:64::7 >>"$tmp/log"
  finish
}

scenario_scan() {
  lab v4
  host web "$(mac 10)" 10.0.1.10 10.0.1.1
  internet_hosts
  web_server web 10.0.1.10 80
  capture web "$out/scan.pcap" -i eth0
  local kind
  # SYN, connect, null, FIN, Christmas tree, ACK, window, Maimon and impossible flags.
  for kind in -sS -sT -sN -sF -sX -sA -sW -sM --scanflags=SYNFIN --scanflags=SYNRST; do
    in_ns stranger nmap -n -Pn "$kind" -r --max-retries 0 -T4 -p 22,80,443 10.0.1.10 >>"$tmp/log"
  done
  in_ns stranger nmap -n -Pn -sU -r --max-retries 0 -T4 -p 53,123,161 10.0.1.10 >>"$tmp/log"
  in_ns stranger nmap -n -Pn -sY -r --max-retries 0 -T4 -p 36412 10.0.1.10 >>"$tmp/log"
  in_ns stranger nmap -n -Pn -sO -r --max-retries 0 -T4 -p 1,6,17,47,50,132 10.0.1.10 >>"$tmp/log"
  in_ns stranger nmap -n -sn -PE -PP -PM 10.0.1.10 >>"$tmp/log"
  finish
}

scenario_web6() {
  dual_stack
  web_server web fd00:10:0:1::a 80
  web_server web fd00:10:0:1::a 443 tls
  web_server web 10.0.1.10 80
  capture web "$out/web6.pcap" -i eth0 'not (ip6 and ip6[6] = 0)'
  in_ns db curl -s -o /dev/null 'http://[fd00:10:0:1::a]/'
  in_ns db curl -sk -o /dev/null 'https://[fd00:10:0:1::a]/table.txt'
  in_ns db curl -s -o /dev/null http://10.0.1.10/
  in_ns app curl -s -o /dev/null 'http://[fd00:10:0:1::a]/'
  in_ns app ping -q -c 2 -i 0.3 fd00:10:0:1::a >>"$tmp/log"
  finish
}

scenario_fragments() {
  dual_stack
  start db iperf3 -s
  wait_port db t '*:5201'
  capture web "$out/fragments.pcap" -i eth0 'not (ip6 and ip6[6] = 0)'
  local target
  for target in 10.0.2.20 fd00:10:0:2::14; do
    in_ns web ping -q -c 3 -i 0.3 -s 4000 "$target" >>"$tmp/log"
    in_ns web iperf3 -c "$target" -u -b 1M -l 4000 -n 16K >>"$tmp/log" 2>&1
  done
  # Not allowed: the first fragment is refused, the rest follow it.
  in_ns app ping -q -c 1 -s 4000 10.0.1.10 >>"$tmp/log"
  in_ns app ping -q -c 1 -s 4000 fd00:10:0:1::a >>"$tmp/log"
  # A datagram of fourteen fragments.
  in_ns web ping -q -c 1 -s 20000 10.0.2.20 >>"$tmp/log"
  finish
}

scenario_pmtu() {
  lab v6
  host web "$(mac 10)" 10.0.1.10 10.0.1.1 fd00:10:0:1::a fd00:10:0:1::1
  # The link on the way to the database carries 1450 bytes: what a 1500-byte underlay leaves.
  middle 10.0.2.0/24 fd00:10:0:2::/64
  in_ns router ip link set wan mtu 1450
  in_ns core ip link set lan mtu 1450
  host db "$(mac 20)" 10.0.2.20 10.0.2.1 fd00:10:0:2::14 fd00:10:0:2::1 core
  web_server web 10.0.1.10 80
  web_server web fd00:10:0:1::a 80
  sleep 2.5
  capture web "$out/pmtu.pcap" -i eth0 'not (ip6 and ip6[6] = 0)'
  # The router says what fits, and TCP sends smaller segments.
  in_ns db curl -s -o /dev/null http://10.0.1.10/table.txt
  in_ns db curl -s -o /dev/null 'http://[fd00:10:0:1::a]/table.txt'
  in_ns web ip route flush cache
  in_ns web ping -q -c 1 -W 1 -M do -s 1472 10.0.2.20 >>"$tmp/log" || true
  in_ns web ping -q -c 2 -i 0.3 -M do -s 1422 10.0.2.20 >>"$tmp/log"
  # Without DF, as large as the guest's link carries: the network has to cut it.
  in_ns web ip route flush cache
  in_ns web ping -q -c 1 -W 1 -M dont -s 1472 10.0.2.20 >>"$tmp/log" || true
  finish
}

scenario_services() {
  lab v6
  new_ns web
  in_ns router sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
  # The guest's link is down until the capture runs, so its first words are in it.
  cable web eth0 "$(mac 10)" router web "$router_mac"
  in_ns web ip link set eth0 down
  in_ns web sysctl -qw net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.eth0.accept_ra=1 \
    net.ipv6.conf.eth0.router_solicitations=2 net.ipv4.conf.eth0.arp_notify=1
  in_ns router ip addr add 10.0.1.1/24 dev web
  in_ns router ip -6 addr add fe80::1/64 dev web nodad
  in_ns router ip -6 addr add fd00:10:0:1::1/64 dev web nodad
  start router dnsmasq -k --conf-file=/dev/null --user=root --pid-file= --port=0 --no-ping \
    --bind-dynamic --interface=web --dhcp-authoritative --dhcp-leasefile="$tmp/leases" \
    --dhcp-range=10.0.1.10,10.0.1.10,1h --dhcp-range=fd00:10:0:1::a,fd00:10:0:1::a,64,1h \
    --dhcp-host="$(mac 10)",10.0.1.10 --enable-ra
  wait_port router u :67
  printf 'send dhcp-client-identifier = hardware;\ntimeout 8;\n' >"$tmp/dhclient.conf"
  capture router "$out/services.pcap" -i web
  in_ns web ip link set eth0 up
  sleep 2
  local -a client=(dhclient -1 -cf "$tmp/dhclient.conf" -sf /bin/true)
  in_ns web "${client[@]}" -4 -lf "$tmp/l4" -pf "$tmp/p4" eth0 >>"$tmp/log" 2>&1
  in_ns web "${client[@]}" -6 -lf "$tmp/l6" -pf "$tmp/p6" eth0 >>"$tmp/log" 2>&1
  in_ns web ip addr add 10.0.1.10/24 dev eth0
  in_ns web ip link set eth0 address "$(mac 10)" # announces the address: gratuitous ARP
  in_ns web ip -6 addr add fd00:10:0:1::a/64 dev eth0
  sleep 2
  in_ns web ping -q -c 1 10.0.1.1 >>"$tmp/log"
  in_ns web ping -q -c 1 fd00:10:0:1::1 >>"$tmp/log"
  in_ns web ping -q -c 1 -W 1 10.0.1.99 >>"$tmp/log" || true
  in_ns web ping -q -c 1 -b 10.0.1.255 >>"$tmp/log" 2>&1 || true
  in_ns web ping -q -c 1 -W 1 -I eth0 224.0.0.251 >>"$tmp/log" 2>&1 || true
  in_ns web dhclient -r -cf "$tmp/dhclient.conf" -sf /bin/true -4 -lf "$tmp/l4" -pf "$tmp/p4" eth0 \
    >>"$tmp/log" 2>&1
  finish
}

scenario_peering() {
  lab v4
  host blue "$(mac 10)" 10.0.1.10 10.0.1.1
  host green 02:00:00:00:09:0a 10.9.1.10 10.9.1.1
  host green2 02:00:00:00:09:0b 10.9.2.11 10.9.2.1
  host legacy 02:00:00:00:19:05 192.168.7.5 192.168.7.1
  host office 02:00:00:00:64:07 198.51.100.7 198.51.100.1
  web_server green 10.9.1.10 80
  web_server green2 10.9.2.11 80
  capture_each router blue green green2 legacy office
  in_ns blue curl -s -o /dev/null http://10.9.1.10/
  in_ns blue ping -q -c 3 -i 0.3 10.9.1.10 >>"$tmp/log"
  in_ns green ping -q -c 2 -i 0.3 10.0.1.10 >>"$tmp/log"
  in_ns blue curl -s -o /dev/null http://10.9.2.11/
  in_ns blue ping -q -c 2 -i 0.3 192.168.7.5 >>"$tmp/log"
  in_ns office ping -q -c 2 -i 0.3 10.9.1.10 >>"$tmp/log"
  in_ns office curl -s -o /dev/null http://10.9.1.10/
  # Ten connections at once against an allowance of four.
  local -a urls=()
  local n
  for n in $(seq 10); do urls+=("http://10.9.1.10/?$n"); done
  in_ns blue curl -s --no-keepalive --parallel --parallel-immediate --parallel-max 10 \
    -o /dev/null "${urls[@]}" >>"$tmp/log" 2>&1 || true
  finish_each "$out/peering.pcapng" blue.pcap green.pcap green2.pcap legacy.pcap office.pcap
}

# vxlan_lab v4|v6 HOST1 HOST2 HOST3: three hypervisors on a router, a guest behind each. The guest
# behind the third has the addresses of the one behind the second: an impostor.
vxlan_lab() {
  local family=$1 h1=$2 h2=$3 h3=$4 number
  lab "$family"
  if [ "$family" = v6 ]; then
    host hv1 02:aa:00:00:00:01 - - "$h1" 2001:db8::fe
    host hv2 02:aa:00:00:00:02 - - "$h2" 2001:db8::fe
    host hv3 02:aa:00:00:00:03 - - "$h3" 2001:db8::fe
  else
    host hv1 02:aa:00:00:00:01 "$h1" 192.0.2.254
    host hv2 02:aa:00:00:00:02 "$h2" 192.0.2.254
    host hv3 02:aa:00:00:00:03 "$h3" 192.0.2.254
  fi
  local -A local_of=([1]=$h1 [2]=$h2 [3]=$h3) remote_of=([1]=$h2 [2]=$h1 [3]=$h1)
  local -A guest_mac=([1]=$(mac 10) [2]=$(mac 20) [3]=$(mac 20))
  local -A guest_ip=([1]=10.0.1.10 [2]=10.0.1.20 [3]=10.0.1.20)
  local -A guest_ip6=([1]=fd00:10:0:1::a [2]=fd00:10:0:1::14 [3]=fd00:10:0:1::14)
  for number in 1 2 3; do
    new_ns "g$number"
    cable "g$number" eth0 "${guest_mac[$number]}" "hv$number" "guest" "02:bb:00:00:00:0$number"
    in_ns "hv$number" ip link add vx100 type vxlan id 100 dstport 4789 \
      local "${local_of[$number]}" remote "${remote_of[$number]}" dev eth0 nolearning
    in_ns "hv$number" ip link add br0 type bridge mcast_snooping 0
    in_ns "hv$number" sysctl -qw "net.ipv6.conf.br0.disable_ipv6=1" \
      "net.ipv6.conf.vx100.disable_ipv6=1" "net.ipv6.conf.guest.disable_ipv6=1" || true
    in_ns "hv$number" ip link set guest master br0
    in_ns "hv$number" ip link set vx100 master br0
    in_ns "hv$number" ip link set vx100 up
    in_ns "hv$number" ip link set br0 up
    in_ns "hv$number" ethtool -K vx100 tx off >>"$tmp/log" 2>&1 || true
    in_ns "g$number" ip link set eth0 mtu 1400
    in_ns "g$number" ip addr add "${guest_ip[$number]}/24" dev eth0
    if [ "$lab_v6" = 1 ]; then
      in_ns "g$number" ip -6 addr add "${guest_ip6[$number]}/64" dev eth0 nodad
    fi
  done
  # A network of a VNI that the model does not know, between the same two hosts.
  in_ns hv2 ip link add vx999 address "$(mac 20)" type vxlan id 999 dstport 4789 local "$h2" \
    remote "$h1" dev eth0 nolearning
  in_ns hv2 sysctl -qw net.ipv6.conf.vx999.disable_ipv6=1 || true
  in_ns hv2 ip addr add 10.0.1.20/24 dev vx999
  in_ns hv2 ip link set vx999 up
  in_ns hv2 ip neigh add 10.0.1.10 lladdr "$(mac 10)" dev vx999 nud permanent
}

vxlan_traffic() {
  in_ns g2 ping -q -c 3 -i 0.3 10.0.1.10 >>"$tmp/log"
  in_ns g1 ping -q -c 2 -i 0.3 10.0.1.20 >>"$tmp/log"
  in_ns g2 curl -s -o /dev/null http://10.0.1.10/
  in_ns g2 curl -s -o /dev/null --connect-timeout 1 http://10.0.1.10:8080/ || true
  in_ns hv2 ping -q -c 2 -i 0.3 -W 1 10.0.1.10 >>"$tmp/log" || true
  # The impostor knows the neighbour's MAC already, so no ARP goes before it.
  in_ns g3 ip neigh add 10.0.1.10 lladdr "$(mac 10)" dev eth0 nud permanent
  in_ns g3 ping -q -c 2 -i 0.3 -W 1 10.0.1.10 >>"$tmp/log" || true
}

scenario_vxlan() {
  vxlan_lab v4 192.0.2.1 192.0.2.2 192.0.2.3
  web_server g1 10.0.1.10 80
  capture hv1 "$out/vxlan.pcap" -i eth0
  vxlan_traffic
  # Hosts talk to each other outside the tunnels too.
  in_ns hv2 ping -q -c 1 192.0.2.1 >>"$tmp/log"
  finish
}

scenario_vxlan6() {
  vxlan_lab v6 2001:db8::1 2001:db8::2 2001:db8::3
  web_server g1 10.0.1.10 80
  web_server g1 fd00:10:0:1::a 80
  sleep 2.5
  capture hv1 "$out/vxlan6.pcap" -i eth0
  vxlan_traffic
  in_ns g2 ping -q -c 2 -i 0.3 fd00:10:0:1::a >>"$tmp/log"
  in_ns g2 curl -s -o /dev/null 'http://[fd00:10:0:1::a]/'
  finish
}

scenario_geneve() { "$python" "$here/pcaps/craft.py" geneve "$out/geneve.pcap"; }

scenario_fragments_crafted() {
  "$python" "$here/pcaps/craft.py" fragments "$out/fragments-crafted.pcap"
}
