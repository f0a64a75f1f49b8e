//go:build ignore
/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */

/* Iterator programs that look at nothing and write nothing. */
#define SEC(name) __attribute__((section(name), used))

SEC("iter/tcp")
int iter_tcp(void *ctx)
{
	return 0;
}

SEC("iter/udp")
int iter_udp(void *ctx)
{
	return 0;
}

SEC("iter/task_file")
int iter_task_file(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
