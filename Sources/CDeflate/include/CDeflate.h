#ifndef APUS_CDEFLATE_H
#define APUS_CDEFLATE_H

#include <stddef.h>

// zlib's encoder, as gzip members (RFC 1952).

/// An encoder of one gzip member.
typedef struct apus_deflater apus_deflater;

typedef struct {
  size_t consumed;
  size_t produced;
  /// After the last input: the member is whole. Otherwise there is more to come.
  int is_whole;
} apus_deflate_result;

/// Returns NULL if there is no memory.
apus_deflater *_Nullable apus_deflater_create(void);

/// Takes input and gives output as far as there is room; with `is_last` no input follows this one.
apus_deflate_result apus_deflater_run(apus_deflater *_Nonnull deflater,
                                      const void *_Nonnull input, size_t input_size, int is_last,
                                      void *_Nonnull output, size_t output_size);

void apus_deflater_free(apus_deflater *_Nullable deflater);

#endif
