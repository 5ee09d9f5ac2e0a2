import Live

extension LiveWorker where IO == DPDKIO {
  /// Runs the loop over DPDK's ports. It is compiled here, where the compiler sees into both.
  public mutating func runPorts() { run() }
}
