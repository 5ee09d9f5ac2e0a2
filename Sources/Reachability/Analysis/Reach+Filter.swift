import Wire

extension Reach {
  /// What passes between the interface and one other interface.
  public func only(interface id: String) -> Reach { kept { $0.peer == .interface(id) ? $0 : nil } }

  /// What passes between the interface and some addresses.
  public func only(_ prefix: IPPrefix) -> Reach {
    kept { entry in
      guard entry.own.family == prefix.family else { return nil }
      let inside = IntervalMap(prefix.range, true, outside: false)
      var entry = entry
      entry.traffic = entry.traffic.combined(with: inside) { $1 ? $0 : .refused }
      return entry
    }
  }

  /// What passes of one protocol.
  public func only(protocol number: UInt8) -> Reach {
    let block = IntervalMap(Service.block(number), true, outside: false)
    return kept { entry in
      var entry = entry
      entry.traffic = entry.traffic.map { fates in
        fates.combined(with: block) { $1 ? $0 : PortFates(.refused) }
      }
      return entry
    }
  }

  private func kept(_ transform: (ReachEntry) -> ReachEntry?) -> Reach {
    var result = self
    result.entries = entries.compactMap(transform).filter { !$0.traffic.isRefused }
    return result
  }
}
