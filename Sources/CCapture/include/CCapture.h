// What the capture port needs from libpcap and zlib, whose own types do not import well: a compiled
// filter and a streaming gzip decoder.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// A filter expression compiled for one link type.
typedef struct apus_filter apus_filter;

/// Compiles `expression` for frames of a LINKTYPE_* value. Returns NULL and a message in `why`
/// (always terminated) if libpcap refuses it.
apus_filter *_Nullable apus_filter_compile(uint16_t link_type, const char *_Nonnull expression,
                                           char *_Nonnull why, size_t why_size);

/// Whether the filter accepts a frame of which `captured` of `original` bytes are at `bytes`.
int apus_filter_accepts(const apus_filter *_Nonnull filter, const void *_Nonnull bytes,
                        uint32_t captured, uint32_t original);

void apus_filter_free(apus_filter *_Nullable filter);

/// A decoder of one gzip member after the other.
typedef struct apus_inflater apus_inflater;

typedef enum {
  /// More input, or more room for output, is needed.
  apus_inflate_more,
  /// The member is complete and its checksum is right.
  apus_inflate_member_end,
  /// The data is damaged; what was produced before is valid.
  apus_inflate_damaged,
} apus_inflate_status;

typedef struct {
  size_t consumed;
  size_t produced;
  apus_inflate_status status;
} apus_inflate_result;

/// Returns NULL if there is no memory.
apus_inflater *_Nullable apus_inflater_create(void);

/// Makes the decoder expect the header of a new member.
void apus_inflater_restart(apus_inflater *_Nonnull inflater);

apus_inflate_result apus_inflater_run(apus_inflater *_Nonnull inflater,
                                      const void *_Nonnull input, size_t input_size,
                                      void *_Nonnull output, size_t output_size);

void apus_inflater_free(apus_inflater *_Nullable inflater);

/// A valid address for a record without bytes.
const void *_Nonnull apus_no_bytes(void);
