// What the DPDK runtime calls of DPDK 22.11: thin wrappers, a call a burst, no policy.
//
// No header of DPDK is included here, so that Swift can import this without DPDK's folders. An mbuf
// stays behind the address of its data: `rte_mbuf` is aligned to 64 bytes, which Swift cannot
// import. Functions that can fail return 0 or more, or a negative errno.
#pragma once
#include "apus_eal.h"
#include "apus_ethdev.h"
#include "apus_frame.h"
#include "apus_guard.h"
#include "apus_vhost.h"
