#include "CDeflate.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

static uInt clamped(size_t size) { return size > UINT_MAX ? UINT_MAX : (uInt)size; }

struct apus_deflater {
  z_stream stream;
};

apus_deflater *apus_deflater_create(void) {
  apus_deflater *deflater = calloc(1, sizeof *deflater);
  if (!deflater) return NULL;
  // 16: a gzip header and trailer, not a zlib one; 8 is zlib's own choice of memory.
  if (deflateInit2(&deflater->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    free(deflater);
    return NULL;
  }
  return deflater;
}

apus_deflate_result apus_deflater_run(apus_deflater *deflater, const void *input, size_t input_size,
                                      int is_last, void *output, size_t output_size) {
  z_stream *stream = &deflater->stream;
  stream->next_in = (Bytef *)input;
  stream->avail_in = clamped(input_size);
  stream->next_out = output;
  stream->avail_out = clamped(output_size);
  int code = deflate(stream, is_last ? Z_FINISH : Z_NO_FLUSH);
  apus_deflate_result result = {
      .consumed = (size_t)(stream->next_in - (const Bytef *)input),
      .produced = (size_t)(stream->next_out - (Bytef *)output),
      .is_whole = code == Z_STREAM_END,
  };
  return result;
}

void apus_deflater_free(apus_deflater *deflater) {
  if (!deflater) return;
  deflateEnd(&deflater->stream);
  free(deflater);
}
