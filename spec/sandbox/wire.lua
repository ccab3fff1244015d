-- Ends the TCP connection of the request at hand. nginx closes no more than the stream on
-- HTTP/2, so its socket is looked for here among the process's own and shut down; nginx
-- then finds the end of the connection and clears up.
-- Does not know: HTTP.

local bit = require "bit"
local ffi = require "ffi"

ffi.cdef [[
int getsockname(int fd, void *addr, unsigned int *len);
int getpeername(int fd, void *addr, unsigned int *len);
int shutdown(int fd, int how);
]]

local wire = {}

local FD_LIMIT = 8192 -- above worker_connections and the few files
local SHUT_RDWR = 2
local AF_INET6 = 10
local ADDRESS = 128   -- sizeof(struct sockaddr_storage)

local address = ffi.new("unsigned char[?]", ADDRESS)
local length = ffi.new "unsigned int[1]"

-- In every internet address family the family comes first, the port second, both of two
-- bytes, the port in network order.
local function is_at(name, fd, port, by_ipv6)
  length[0] = ADDRESS
  return ffi.C[name](fd, address, length) == 0 and (address[0] == AF_INET6) == by_ipv6
    and bit.lshift(address[2], 8) + address[3] == port
end

function wire.cut()
  local var = ngx.var
  local peer, own = tonumber(var.remote_port), tonumber(var.server_port)
  local by_ipv6 = var.remote_addr:find(":", 1, true) ~= nil
  for fd = 3, FD_LIMIT do
    if is_at("getpeername", fd, peer, by_ipv6) and is_at("getsockname", fd, own, by_ipv6) then
      return ffi.C.shutdown(fd, SHUT_RDWR)
    end
  end
end

return wire
