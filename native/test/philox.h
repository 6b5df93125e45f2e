#pragma once
#include <cstdint>

namespace sparrow {

/**
 * What dropout masks are held against: Philox4x32-10, one draw at a time (J. K. Salmon et al.: Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011): with the words of the
 * TypeScript one in src/worker/random/philox.ts.
 */
inline void philox4x32(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t key0, uint32_t key1, uint32_t out[4]) {
  uint32_t l0 = c0, r0 = c1, l1 = c2, r1 = c3;
  for (int round = 0; round < 10; round++) {
    const uint64_t a = static_cast<uint64_t>(0xd2511f53u) * l0;
    const uint64_t b = static_cast<uint64_t>(0xcd9e8d57u) * l1;
    const uint32_t next0 = static_cast<uint32_t>(b >> 32) ^ r0 ^ key0;
    const uint32_t next1 = static_cast<uint32_t>(a >> 32) ^ r1 ^ key1;
    r0 = static_cast<uint32_t>(b);
    r1 = static_cast<uint32_t>(a);
    l0 = next0;
    l1 = next1;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  out[0] = l0;
  out[1] = r0;
  out[2] = l1;
  out[3] = r1;
}

}  // namespace sparrow
