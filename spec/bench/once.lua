-- A whole program: one refresh, and the end.
-- Does not know: how it is measured.

local grid = require "grid"

local function read(name)
  local file = assert(io.open(os.getenv "BENCH_DIR" .. "/" .. name))
  local text = file:read "*a"
  file:close()
  return text
end

local res, err = grid.refresh_session({ encryption_public_key = read "key", kms_payload = read "payload" }, {
  base_url = os.getenv "BENCH_URL", ca_file = os.getenv "BENCH_CA", api_key = os.getenv "BENCH_API_KEY",
  environment = "sandbox",
})
if not res then error(err) end
print(res.kms_payload_json)
