/// Programs of two guests who talk over many UDP flows at once.
enum ManyFlows {
  /// The ports that are answered are this one and those after it.
  static let firstPort = 7000
  static let flows = 64

  /// Answers every datagram with itself, on all ports, until it is ended.
  static let server = """
    import select, socket, sys
    sockets = []
    for port in range(\(firstPort), \(firstPort + flows)):
        s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET,
                          socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_IP, 10, 0)
        s.bind((sys.argv[1], port))
        sockets.append(s)
    while True:
        for s in select.select(sockets, [], [])[0]:
            data, who = s.recvfrom(65535)
            s.sendto(data, who)
    """

  /// Sends datagrams of `argv[2]` bytes over all flows, each until it is answered, five times at
  /// most. Prints how many datagrams were answered with what was sent, and how many were repeated.
  static let client = """
    import os, socket, sys
    address, size = sys.argv[1], int(sys.argv[2])
    answered = repeated = 0
    for port in range(\(firstPort), \(firstPort + flows)):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        # IP_MTU_DISCOVER, IP_PMTUDISC_DONT: routers may cut.
        s.setsockopt(socket.IPPROTO_IP, 10, 0)
        s.settimeout(2)
        s.connect((address, port))
        for attempt in range(5):
            data = os.urandom(size)
            s.send(data)
            try:
                if s.recv(65535) == data:
                    answered += 1
                    break
            except TimeoutError:
                pass
            repeated += 1
    print(answered, repeated)
    """

  /// Sends to ports where nobody listens, and prints how many learnt that: from an ICMP error that
  /// belongs to their flow.
  static let refused = """
    import socket, sys, time
    learnt = 0
    for port in range(\(firstPort + 500), \(firstPort + 500 + 16)):
        s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET,
                          socket.SOCK_DGRAM)
        s.settimeout(3)
        s.connect((sys.argv[1], port))
        for attempt in range(5):
            try:
                s.send(b"?")
                s.recv(10)
            except ConnectionRefusedError:
                learnt += 1
                break
            except TimeoutError:
                pass
    print(learnt)
    """
}
