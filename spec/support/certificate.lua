-- A self-signed certificate for localhost, for an nginx of a spec.
-- Does not know: who trusts it.

local child = require "spec.support.child"

local certificate = {}

--- A folder with cert.pem and key.pem, which the caller removes.
function certificate.folder()
  local folder = child.folder()
  local code, _, problem = folder:run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
    .. "-subj /CN=localhost -keyout key.pem -out cert.pem")
  assert(code == 0, problem)
  return folder
end

return certificate
