import Live

extension LiveWorker where IO == KernelIO {
  /// Runs the loop over the kernel's ports. It is compiled here, where the compiler sees into both.
  public mutating func runPorts() { run() }
}
