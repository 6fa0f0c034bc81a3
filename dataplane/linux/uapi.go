package linux

// Numbers of the kernel's interface that x/sys/unix does not carry.
const (
	nlaTypeMask         = 0x3fff // linux/netlink.h: NLA_TYPE_MASK
	ndaSrcVNI           = 11     // linux/neighbour.h: NDA_SRC_VNI
	ndaNHID             = 13     // linux/neighbour.h: NDA_NH_ID
	ndaFlagsExt         = 15     // linux/neighbour.h: NDA_FLAGS_EXT
	rtextFilterSkipStat = 1 << 3 // linux/rtnetlink.h: RTEXT_FILTER_SKIP_STATS
	userHZ              = 100    // asm/param.h: clock_t, in which a bridge tells times
)
