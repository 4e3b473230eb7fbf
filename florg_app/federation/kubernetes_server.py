"""The objects of a SuperLink in Kubernetes, as docker/kubernetes/superlink.yaml has them, with gaps."""

SERVER_OBJECTS = """\
apiVersion: v1
kind: Service
metadata:
  name: superlink
spec:
  selector:
    app: florg-superlink
  ports:
    - name: flower
      port: @PORT@
      targetPort: flower
---
# The control interface has no login: only pods of SuperNodes reach the port.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: florg-superlink
spec:
  podSelector:
    matchLabels:
      app: florg-superlink
  policyTypes:
    - Ingress
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: florg-supernode
      ports:
        - port: flower
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: florg-superlink
spec:
  serviceName: superlink
  replicas: 1
  selector:
    matchLabels:
      app: florg-superlink
  template:
    metadata:
      labels:
        app: florg-superlink
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 30
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: superlink
          image: @IMAGE@
          args:
@ARGS@          ports:
            - name: flower
              containerPort: 8000
          startupProbe:
            exec:
              command: [python, /opt/florg/health.py]
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 24
          readinessProbe:
            exec:
              command: [python, /opt/florg/health.py]
            timeoutSeconds: 5
          livenessProbe:
            exec:
              command: [python, /opt/florg/health.py]
            periodSeconds: 30
            timeoutSeconds: 5
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          resources:
            requests:
              cpu: "2"
              memory: 8Gi
            limits:
              memory: 16Gi
          volumeMounts:
            - name: certs
              mountPath: /certs
              readOnly: true
            - name: state
              mountPath: /state
            - name: outputs
              mountPath: /outputs
            - name: cache
              mountPath: /cache
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: certs
          secret:
            secretName: florg-superlink
            defaultMode: 0440
        - name: tmp
          emptyDir: {}
  volumeClaimTemplates:
    - metadata:
        name: state
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests:
            storage: 10Gi
    - metadata:
        name: outputs
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests:
            storage: 50Gi
    - metadata:
        name: cache
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests:
            storage: 50Gi
"""
