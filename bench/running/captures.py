"""Reads and writes captures of frames, as the peers take and leave them."""
import struct

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)


def read(path):
    """The frames of a capture in the machine's own order; what was cut off at its end is left out."""
    with open(path, "rb") as file:
        data = file.read()
    frames, place = [], len(HEADER)
    while place + 16 <= len(data):
        length = struct.unpack_from("<I", data, place + 8)[0]
        frames.append(data[place + 16:place + 16 + length])
        place += 16 + length
    return frames


def write(path, frames):
    with open(path, "wb") as file:
        file.write(HEADER)
        for number, frame in enumerate(frames):
            file.write(struct.pack("<IIII", 0, number, len(frame), len(frame)) + frame)


def checksum(header):
    total = sum(struct.unpack("!10H", header))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def datagram(source, target, ports):
    """A frame of 64 bytes without its checksum: Ethernet, IPv4 and UDP of no words."""
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 50, 0, 0x4000, 64, 17, 0, source, target)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return (bytes.fromhex("026170757301" "02000000000a" "0800") + header
            + struct.pack("!HHHH", *ports, 30, 0) + bytes(22))
