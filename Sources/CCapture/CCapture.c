#include "CCapture.h"

#include <limits.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

struct apus_filter {
  struct bpf_program program;
};

// Link types in files and DLT values in libpcap's interface are the same numbers but for those
// whose DLT differs between systems.
static int dlt_of_link_type(uint16_t link_type) {
  switch (link_type) {
  case 12:
  case 14:
  case 101:
    return DLT_RAW;
  case 100:
    return DLT_ATM_RFC1483;
  case 102:
    return DLT_SLIP_BSDOS;
  case 103:
    return DLT_PPP_BSDOS;
  default:
    return link_type;
  }
}

apus_filter *apus_filter_compile(uint16_t link_type, const char *expression, char *why,
                                 size_t why_size) {
  snprintf(why, why_size, "out of memory");
  apus_filter *filter = calloc(1, sizeof *filter);
  if (!filter) return NULL;
  pcap_t *handle = pcap_open_dead(dlt_of_link_type(link_type), 262144);
  if (!handle) {
    free(filter);
    return NULL;
  }
  if (pcap_compile(handle, &filter->program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0) {
    snprintf(why, why_size, "%s", pcap_geterr(handle));
    free(filter);
    filter = NULL;
  } else {
    why[0] = 0;
  }
  pcap_close(handle);
  return filter;
}

int apus_filter_accepts(const apus_filter *filter, const void *bytes, uint32_t captured,
                        uint32_t original) {
  return bpf_filter(filter->program.bf_insns, bytes, original, captured) != 0;
}

void apus_filter_free(apus_filter *filter) {
  if (!filter) return;
  pcap_freecode(&filter->program);
  free(filter);
}

struct apus_inflater {
  z_stream stream;
};

apus_inflater *apus_inflater_create(void) {
  apus_inflater *inflater = calloc(1, sizeof *inflater);
  if (!inflater) return NULL;
  // 16: a gzip header and trailer, not a zlib one.
  if (inflateInit2(&inflater->stream, 16 + MAX_WBITS) != Z_OK) {
    free(inflater);
    return NULL;
  }
  return inflater;
}

void apus_inflater_restart(apus_inflater *inflater) { inflateReset(&inflater->stream); }

static uInt clamped(size_t size) { return size > UINT_MAX ? UINT_MAX : (uInt)size; }

apus_inflate_result apus_inflater_run(apus_inflater *inflater, const void *input, size_t input_size,
                                      void *output, size_t output_size) {
  z_stream *stream = &inflater->stream;
  stream->next_in = (Bytef *)input;
  stream->avail_in = clamped(input_size);
  stream->next_out = output;
  stream->avail_out = clamped(output_size);
  int code = inflate(stream, Z_NO_FLUSH);
  apus_inflate_result result = {
      .consumed = (size_t)(stream->next_in - (const Bytef *)input),
      .produced = (size_t)(stream->next_out - (Bytef *)output),
      .status = apus_inflate_damaged,
  };
  // Z_BUF_ERROR only says that there was nothing to do.
  if (code == Z_OK || code == Z_BUF_ERROR) result.status = apus_inflate_more;
  if (code == Z_STREAM_END) result.status = apus_inflate_member_end;
  return result;
}

void apus_inflater_free(apus_inflater *inflater) {
  if (!inflater) return;
  inflateEnd(&inflater->stream);
  free(inflater);
}

const void *apus_no_bytes(void) {
  static const char none[1];
  return none;
}
